"""Lookups become code lists and hierarchies, or are refused with the row and the column and never a value."""

from __future__ import annotations

import csv
import gzip
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas import artefacts, lookups, strict_json
from schemas.canonical import canonical, digest
from schemas.errors import DocumentError
from schemas.hierarchy import CodeList, Hierarchy
from schemas.lookups import codelist_from_lookup, hierarchy_from_lookup
from schemas.model import InvalidDocument, read

GEOGRAPHY = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "geography"
OUR_OWN = ("made-up-areas", "Made-up areas", "made up for this test")

# Five small areas in three wards of two councils; the first ward has a name that commas and accents are in.
TABLE = """
small,ward,ward_name,council
E01000003,E05000002,Nant-y-môr,E06000001
E01000001,E05000001,"Abbey, East",E06000001
E01000002,E05000001,"Abbey, East",E06000001
E01000005,E05000003,Zeal,E06000002
E01000004,E05000002,Nant-y-môr,E06000001
"""


def rows_of(text: str = TABLE) -> list[dict[str, str | None]]:
    return list(csv.DictReader(text.strip().splitlines()))


def wards(rows: Any, **more: Any) -> dict[str, Any]:
    return codelist_from_lookup(rows, "ward", "ward_name", *OUR_OWN, **more)


def to_wards(rows: Any, **more: Any) -> dict[str, Any]:
    return hierarchy_from_lookup(rows, "small", "ward", "ward_name", *OUR_OWN, **more)


def refusal(make: Any, rows: Any, **more: Any) -> DocumentError:
    with pytest.raises(DocumentError) as caught:
        make(rows, **more)
    return caught.value


def changed(row: int, **cells: str | None) -> list[dict[str, str | None]]:
    """The table with cells of one row changed; the header is row 1."""
    rows = rows_of()
    rows[row - 2] |= cells
    return rows


def test_a_code_list_has_each_code_once_in_order_and_unknown_last() -> None:
    value = wards(rows_of())
    assert value == {
        "concordat:codelist": "made-up-areas",
        "title": "Made-up areas",
        "source": "made up for this test",
        "codes": [
            {"code": "E05000001", "label": "Abbey, East"},
            {"code": "E05000002", "label": "Nant-y-môr"},
            {"code": "E05000003", "label": "Zeal"},
            {"code": "unknown", "label": "Not known"},
        ],
    }
    assert read(CodeList, value).name == artefacts.artefact(value).name == "made-up-areas"


def test_a_hierarchy_maps_every_code_and_labels_the_coarser_ones() -> None:
    value = to_wards(rows_of())
    assert (value["concordat:hierarchy"], value["kind"]) == ("made-up-areas", "map")
    assert value["map"] == {
        "E01000001": "E05000001",
        "E01000002": "E05000001",
        "E01000003": "E05000002",
        "E01000004": "E05000002",
        "E01000005": "E05000003",
        "unknown": "unknown",
    }
    made = read(Hierarchy, value)
    assert made.keys == ("E05000001", "E05000002", "E05000003", "unknown")
    assert set(made.labels) == set(made.keys)


def test_rows_in_any_order_and_repeated_make_the_same_artefact() -> None:
    rows = rows_of() * 2
    random.Random(1).shuffle(rows)  # noqa: S311 - an order of rows
    for make in (wards, to_wards):
        assert digest(make(rows)) == digest(make(rows_of()))
        assert list(make(rows).get("map", ())) == list(make(rows_of()).get("map", ()))


def test_one_council_can_be_kept_and_list_and_map_then_hold_the_same_codes() -> None:
    keep = {"council": ["E06000002"]}
    codes = codelist_from_lookup(rows_of(), "small", "small", *OUR_OWN, keep=keep)["codes"]
    assert [entry["code"] for entry in codes] == ["E01000005", "unknown"]
    assert set(to_wards(rows_of(), keep=keep)["map"]) == {entry["code"] for entry in codes}
    assert wards(rows_of(), keep={"council": ["E06000001", "E06000002"], "ward": ["E05000003"]})["codes"][0] == {
        "code": "E05000003",
        "label": "Zeal",
    }


def test_rows_that_are_not_kept_may_be_anything() -> None:
    rows = changed(5, small=None, ward="!", ward_name="")
    assert to_wards(rows, keep={"council": ["E06000001"]})["map"]["E01000001"] == "E05000001"


def test_an_unknown_of_the_lookups_own_keeps_its_label() -> None:
    rows = changed(5, small="unknown", ward="unknown", ward_name="Nowhere")
    assert wards(rows)["codes"][-1] == {"code": "unknown", "label": "Nowhere"}
    assert to_wards(rows)["labels"]["unknown"] == "Nowhere"


def test_labels_lose_the_spaces_around_them() -> None:
    assert wards(changed(5, ward_name="  Zeal "))["codes"][2]["label"] == "Zeal"


SECRET = "SECRET-9999"
REFUSALS = [
    ("lookup_empty_cell", "row 4/small", changed(4, small="")),
    ("lookup_empty_cell", "row 4/small", changed(4, small=None)),
    ("lookup_empty_cell", "row 6/ward", changed(6, ward="   ")),
    ("lookup_empty_cell", "row 2/ward_name", changed(2, ward_name="")),
    ("lookup_bad_code", "row 3/small", changed(3, small=f"{SECRET}!")),
    ("lookup_bad_code", "row 3/small", changed(3, small=f"-{SECRET}")),
    ("lookup_bad_code", "row 3/small", changed(3, small=f"{SECRET}\n")),
    ("lookup_bad_code", "row 3/small", changed(3, small=f"{SECRET} ")),
    ("lookup_bad_code", "row 3/ward", changed(3, ward=SECRET * 7)),
    ("lookup_bad_label", "row 3/ward_name", changed(3, ward_name=f"{SECRET}\u0007")),
    ("lookup_bad_label", "row 3/ward_name", changed(3, ward_name=SECRET * 50)),
    ("lookup_two_coarser", "row 4/ward", changed(4, small="E01000001", ward=SECRET)),
    ("lookup_two_coarser", "row 5/ward", changed(5, small="unknown", ward=SECRET)),
    ("lookup_two_labels", "row 4/ward_name", changed(4, ward_name=SECRET)),
]


@pytest.mark.parametrize(("code", "path", "rows"), REFUSALS)
def test_a_bad_cell_is_refused_by_row_and_column_without_its_value(code: str, path: str, rows: Any) -> None:
    error = refusal(to_wards, rows)
    assert (error.code, error.path) == (code, path)
    assert SECRET not in str(error)
    assert "E0" not in str(error)


def test_a_code_list_refuses_two_labels_of_one_code() -> None:
    error = refusal(wards, changed(4, ward_name=SECRET))
    assert (error.code, error.path) == ("lookup_two_labels", "row 4/ward_name")
    assert SECRET not in str(error)


@pytest.mark.parametrize("column", ["small", "ward", "ward_name"])
def test_a_missing_column_is_named(column: str) -> None:
    rows = [{name: cell for name, cell in row.items() if name != column} for row in rows_of()]
    error = refusal(to_wards, rows)
    assert (error.code, error.path) == ("lookup_missing_column", f"row 2/{column}")


def test_a_column_to_keep_by_that_is_missing_is_named() -> None:
    assert refusal(to_wards, rows_of(), keep={"county": ["x"]}).path == "row 2/county"


def test_a_row_with_more_cells_than_the_header_is_refused() -> None:
    error = refusal(to_wards, rows_of(TABLE.replace("Zeal", "Zeal,Zeal")))
    assert (error.code, error.path) == ("lookup_ragged_row", "row 5")


def test_a_row_with_fewer_cells_than_the_header_is_refused() -> None:
    rows = rows_of(TABLE.replace("E01000005,E05000003,Zeal,E06000002", "E01000005,E05000003"))
    assert refusal(to_wards, rows).path == "row 5/ward_name"


@pytest.mark.parametrize("make", [wards, to_wards])
def test_a_lookup_of_which_no_row_counts_is_refused(make: Any) -> None:
    assert refusal(make, []).code == "lookup_no_rows"
    assert refusal(make, rows_of(), keep={"council": []}).code == "lookup_no_rows"
    assert refusal(make, rows_of(), keep={"council": ["E06000009"]}).code == "lookup_no_rows"


def many(count: int) -> Iterator[dict[str, str]]:
    return ({"small": f"S{number}", "ward": f"W{number}", "ward_name": "Ward"} for number in range(count))


@pytest.mark.parametrize("make", [wards, to_wards])
def test_a_lookup_with_more_codes_than_stated_is_refused(make: Any) -> None:
    assert len(make(many(lookups.MAX_CODES))["title"]) > 0
    assert refusal(make, many(lookups.MAX_CODES + 1)).code == "lookup_too_large"


def test_a_lookup_with_more_rows_than_stated_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookups, "MAX_ROWS", 5)
    assert to_wards(rows_of())["kind"] == "map"
    rows = iter([*rows_of(), *rows_of()])
    assert refusal(to_wards, rows).code == "lookup_too_large"
    assert len(list(rows)) == 4


def test_what_would_not_fit_in_an_artefacts_file_is_refused() -> None:
    rows = [row | {"ward_name": "w" * lookups.MAX_LABEL} for row in many(lookups.MAX_CODES)]
    assert refusal(wards, rows).code == "lookup_too_large"


@pytest.mark.parametrize("make", [codelist_from_lookup, hierarchy_from_lookup])
def test_a_bad_name_is_refused_as_in_any_artefact(make: Any) -> None:
    columns = ("small", "ward", "ward_name")[: 2 if make is codelist_from_lookup else 3]
    with pytest.raises(InvalidDocument):
        make(rows_of(), *columns, "No Name", "Title", "source")


def published(file: str) -> list[dict[str, str | None]]:
    path = GEOGRAPHY / file
    if not path.is_file():
        pytest.skip(f"shared/data/geography/{file} does not lie beside this checkout")
    with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as text:
        return list(csv.DictReader(text))


def test_the_published_small_areas_of_2021_become_lists_and_maps_that_fit_each_other() -> None:
    rows = published("lsoa21-ward25-lad.csv.gz")
    keep = {"LADCD": ["E06000022", "E06000023", "E06000024", "E06000025", "E06000066"]}
    said = ("ONS lookup", "Office for National Statistics; Open Government Licence v3.0")
    small = codelist_from_lookup(rows, "LSOA21CD", "LSOA21NM", "lsoa-2021", *said, keep=keep)
    ward = codelist_from_lookup(rows, "WD25CD", "WD25NM", "ward-2025", *said, keep=keep)
    to_ward = hierarchy_from_lookup(rows, "LSOA21CD", "WD25CD", "WD25NM", "lsoa-ward-2025", *said, keep=keep)
    to_lad = hierarchy_from_lookup(rows, "WD25CD", "LADCD", "LADNM", "ward-lad-2025", *said, keep=keep)
    assert 800 < len(small["codes"]) < len(rows)
    assert set(to_ward["map"]) == {entry["code"] for entry in small["codes"]}
    assert set(to_ward["map"].values()) == {entry["code"] for entry in ward["codes"]} == set(to_lad["map"])
    assert set(to_lad["map"].values()) == {*keep["LADCD"], "unknown"}
    for made in (small, ward, to_ward, to_lad):
        assert strict_json.loads(canonical(made)) == made


def test_the_published_small_areas_of_2011_have_one_decile_each_but_some_were_split() -> None:
    rows = published("lsoa11-lsoa21-imd2019-population2015.csv.gz")
    said = ("ONS lookup", "Office for National Statistics; Open Government Licence v3.0")
    decile = hierarchy_from_lookup(rows, "LSOA11CD", "imd2019_decile", "imd2019_decile", "lsoa-2011-imd-2019", *said)
    assert set(decile["labels"]) == {*map(str, range(1, 11)), "unknown"}
    with pytest.raises(DocumentError) as caught:
        hierarchy_from_lookup(rows, "LSOA11CD", "LSOA21CD", "LSOA21CD", "lsoa-2011-2021", *said)
    assert caught.value.code == "lookup_two_coarser"
    unchanged = hierarchy_from_lookup(
        rows, "LSOA11CD", "LSOA21CD", "LSOA21CD", "lsoa-2011-2021", *said, keep={"change": ["U", "M"]}
    )
    assert len(unchanged["map"]) > 2000
