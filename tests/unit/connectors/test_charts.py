"""Charts: few groups side by side in colours, and what is too noisy in grey."""

import sys
from importlib.metadata import version
from typing import Any

import pytest

from connectors import charts


def release(*rows: tuple[dict[str, str], float, bool]) -> dict[str, Any]:
    return {
        "columns": [*rows[0][0], "count"],
        "keys": list(rows[0][0]),
        "question": {"dataset": "police-violence"},
        "rows": [
            {
                "keys": keys,
                "measures": {"count": {"value": value, "noise_interval": [value - 5, value + 5], "usable": usable}},
            }
            for keys, value, usable in rows
        ],
    }


def keys(month: str, lad: str) -> dict[str, str]:
    return {"month": month, "lad": lad}


def drawn(value: dict[str, Any]) -> str:
    return charts.svg(value).decode()


def test_the_last_of_several_keys_tells_bars_apart_by_colour() -> None:
    months, councils = ("2026-04", "2026-05"), ("E06000022", "E06000023")
    text = drawn(release(*((keys(month, lad), 50.0, True) for month in months for lad in councils)))
    assert all(name in text for name in (*months, *councils))
    assert "·" not in text


@pytest.mark.parametrize("count", [1, 9])
def test_one_group_or_too_many_for_colours_are_told_by_label(count: int) -> None:
    text = drawn(release(*((keys("2026-04", f"area-{n}"), 50.0, True) for n in range(count))))
    assert all(f"2026-04 · area-{n}<" in text for n in range(count))


def test_what_is_too_noisy_is_grey_and_said() -> None:
    good = release(({"lad": "a"}, 50.0, True), ({"lad": "b"}, 60.0, True))
    noisy = release(({"lad": "a"}, 50.0, True), ({"lad": "b"}, 6.0, False))
    assert "Grey: too noisy to use" not in drawn(good)
    assert "Grey: too noisy to use" in drawn(noisy)
    assert drawn(noisy).count("#bbbbbb") > drawn(good).count("#bbbbbb")


def test_drawing_leaves_imports_and_versions_as_they_were() -> None:
    drawn(release(({"lad": "a"}, 50.0, True)))
    assert not [finder for finder in sys.meta_path if type(finder).__module__ == "pygal"]
    assert version("concordat")
