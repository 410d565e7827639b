"""What measures with bins come to under a grant, and what of them is refused."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.clauses.measures import FIELDS, FLAGS, Measures
from schemas.fit import misfits
from schemas.measures import DERIVED, KINDS, Measure
from schemas.model import InvalidDocument, read
from schemas.table_schema import Column
from service.errors import Malformed
from service.policy import measures
from service.policy.decide import decide
from service.policy.nearest import explained
from service.policy.plan import Binned
from service.privacy.bounds import Scaled
from service.privacy.sensitivity import sensitivity
from service.privacy.vectors import Centred, Frame, Square, Vector
from tests.spec.harness import SCHEMAS

GRANT = {
    "to": ["as-opcc"],
    "for": ["needs-assessment"],
    "dataset": "police-violence",
    "group_by": {"lad": ["as-is"]},
    "measure": {"count": True, "repeat": True, "histogram": ["age", "gravity"]},
}


def planned(agreement, library, request):
    decision = decide(agreement, library, "as-opcc", request)
    assert decision.allowed, decision
    return decision.plan


def nearest_to(decision, agreement, library, asked):
    found = explained(decision, agreement, library, "as-opcc", asked).nearest
    assert found is not None
    return found.request


def histogram(field="age", **bins):
    return {"histogram": {"field": field, **bins}}


def test_every_kind_of_request_has_a_grant_clause_and_a_place_in_the_plan():
    assert set(measures._BUILD) == {*KINDS, *DERIVED}
    assert set(Measures.model_fields) == set(KINDS) == {*FLAGS, *FIELDS}


def test_cut_points_make_bins_that_hold_every_row(small, library, ask):
    (found,) = planned(small(GRANT), library, ask(measures=[histogram(cuts=[18, "65"])])).measures
    assert (found.name, found.parts) == ("histogram_age", 4)
    assert found.detail.keys.keys == ("under 18", "18 to 64", "65 and over", "unknown")
    assert found.detail.keys.bands == (
        ("under 18", Binned.LOWEST, 17), ("18 to 64", 18, 64), ("65 and over", 65, Binned.HIGHEST),
    )  # fmt: skip


def test_bins_of_a_level_are_its_bands_and_the_unknown(small, library, ask):
    (found,) = planned(small(GRANT), library, ask(measures=[histogram(level="sna-band")])).measures
    assert found.name == "histogram_age_sna_band"
    assert found.detail.keys.keys == (*(key for key, _, _ in found.detail.keys.bands), "unknown")


def test_a_single_number_between_cuts_is_called_by_itself(small, library, ask):
    (found,) = planned(small(GRANT), library, ask(measures=[histogram("gravity", cuts=[2, 3])])).measures
    assert found.detail.keys.keys == ("under 2", "2", "3 and over", "unknown")


@pytest.mark.parametrize("bins", [{"cuts": ["1.5"]}, {"level": "decade"}])
def test_bins_that_the_column_does_not_have_make_no_sense(small, library, ask, bins):
    with pytest.raises(Malformed) as refused:
        decide(small(GRANT), library, "as-opcc", ask(measures=[histogram(**bins)]))
    assert refused.value.code == "wrong_bins"


@pytest.mark.parametrize(
    "measure",
    [
        {"histogram": {"field": "age"}},
        {"histogram": {"field": "age", "level": "sna-band", "cuts": [18]}},
        {"histogram": {"field": "age", "cuts": []}},
        {"histogram": {"field": "age", "cuts": [18, 18]}},
        {"histogram": {"field": "age", "cuts": [65, 18]}},
        {"histogram": {"field": "age", "cuts": [1.5]}},
        {"histogram": {"field": "age", "cuts": [True]}},
        {"histogram": {"field": "age", "cuts": ["1."]}},
        {"histogram": {"field": "age", "cuts": ["1e3"]}},
        {"histogram": {"field": "age", "cuts": ["4857773456"]}},
        {"histogram": {"field": "age", "cuts": list(range(51))}},
        {"repeat": {"bands": [1]}},
        {"repeat": {}, "count": {}},
        {"median": {"field": "age"}},
    ],
)
def test_a_measure_of_another_shape_is_not_read(ask, measure):
    with pytest.raises(InvalidDocument):
        ask(measures=[measure])


def test_two_histograms_of_one_column_need_names_that_differ(ask):
    assert ask(measures=[histogram(level="sna-band"), histogram(cuts=[18])])
    with pytest.raises(InvalidDocument):
        ask(measures=[histogram(cuts=[18]), histogram(cuts=[19])])


@pytest.mark.parametrize(
    ("measure", "clause"),
    [({"repeat": {}}, "grants/0/measure/repeat"), (histogram(cuts=[18]), "grants/0/measure/histogram")],
)
def test_what_the_grant_does_not_name_is_refused_by_the_clause_of_its_kind(small, library, ask, measure, clause):
    agreement = small(GRANT | {"measure": {"count": True}})
    asked = ask(measures=[measure])
    decision = decide(agreement, library, "as-opcc", asked)
    assert (decision.allowed, [reason.clause for reason in decision.reasons]) == (False, [clause])
    nearest = nearest_to(decision, agreement, library, asked)
    assert [item.kind for item in nearest.measures] == ["count"]


def test_where_bins_alone_are_granted_the_nearest_request_asks_for_some(small, library, ask):
    agreement = small(GRANT | {"measure": {"histogram": ["age"]}})
    asked = ask(measures=[{"count": {}}])
    decision = decide(agreement, library, "as-opcc", asked)
    (found,) = nearest_to(decision, agreement, library, asked).measures
    assert (found.kind, found.of) == ("histogram", "age")


def test_bins_are_a_grouping_and_count_among_the_columns_of_a_question(small, library, ask):
    agreement = small(GRANT | {"most_fields": 1})
    assert decide(agreement, library, "as-opcc", ask(measures=[histogram(cuts=[18])])).allowed
    asked = ask(measures=[histogram(cuts=[18])], by=[{"field": "lad"}])
    decision = decide(agreement, library, "as-opcc", asked)
    assert [reason.clause for reason in decision.reasons] == ["grants/0/most_fields"]
    nearest = nearest_to(decision, agreement, library, asked)
    assert (nearest.by, [item.kind for item in nearest.measures]) == ((), ["histogram"])


def test_bins_count_towards_the_most_numbers_of_a_table(small, library, ask, monkeypatch):
    agreement, asked = small(GRANT), ask(measures=[histogram(cuts=[18])], by=[{"field": "lad"}])
    plan = planned(agreement, library, asked)
    assert plan.numbers == plan.cells * 3
    monkeypatch.setattr("service.policy.keys.MAX_CELLS", plan.cells * 3 - 1)
    with pytest.raises(Malformed) as refused:
        decide(agreement, library, "as-opcc", asked)
    assert refused.value.code == "too_many_cells"


def test_other_bins_are_another_question_and_the_same_bins_the_same(small, library, ask):
    agreement, versions = small(GRANT), {"police-violence": "v1"}

    def named(*cuts):
        return planned(agreement, library, ask(measures=[histogram(cuts=list(cuts))])).identity(versions)

    assert named(18) == named("18")
    assert named(18) != named(19)


def test_persons_by_their_records_are_no_measure_of_a_record_dataset(library, change):
    def edit(value):
        value["grants"].append(
            {"to": ["as-opcc"], "for": ["needs-assessment"], "dataset": "street-crime", "measure": {"repeat": True}}
        )

    found = misfits(change(edit), library)
    assert [(item.code, item.path.rpartition("/")[2]) for item in found] == [("no_persons", "repeat")]


@pytest.mark.parametrize(
    ("low", "high", "decimals", "fit"),
    [(0, 4000, 0, True), (0, 4001, 0, False), (-1000, 1000, 0, True), (-1001, 1001, 0, False), (0, 0, 0, True),
     (0, 40, 2, True), (0, 41, 2, False), (10**6, 10**6 + 9, 0, True), (0, 2**31 - 1, 0, False)],
)  # fmt: skip
def test_squares_fit_where_they_are_no_more_than_1000_times_what_intake_proves(low, high, decimals, fit):
    limits = {"minimum": low, "maximum": high}
    kind = {"concordat:kind": "decimal" if decimals else "integer", "type": "number" if decimals else "integer"}
    column = Column.model_validate({"name": "n", "constraints": limits, "concordat:decimals": decimals} | kind)
    square = Square(Centred("n", *column.bounds, column.decimals))
    (most,) = {sensitivity(Vector("m", "square", Frame.ROWS, square, ()), Scaled(1)).l1 // 1024}
    assert column.squares_fit is fit is (most <= 1000 * max(*map(abs, column.bounds), 1))


def test_a_column_whose_squares_might_not_fit_is_found_before_anything_is_asked(library, change, monkeypatch):
    def edit(value):
        value["grants"].append({"to": ["as-opcc"], "for": ["needs-assessment"], "dataset": "police-violence",
                                "measure": {"variance": ["age"], "sum": ["age"]}})  # fmt: skip

    agreement = change(edit)
    assert misfits(agreement, library) == []
    monkeypatch.setattr("schemas.table_schema.PER_PERSON_MAX", 29)  # 60 x 60 is more than 29 x 120
    found = misfits(agreement, library)
    assert [(item.code, item.path.rpartition("/")[2]) for item in found] == [("too_wide", "variance")]


def test_a_variance_is_granted_by_its_own_clause_and_not_by_sum_or_mean(small, library, ask):
    asked = ask(measures=[{"variance": {"field": "gravity"}}])
    granted = small(GRANT | {"measure": {"variance": ["gravity"]}})
    (found,) = planned(granted, library, asked).measures
    assert (found.name, found.low, found.high, found.parts) == ("variance_gravity", 1, 8, 1)
    agreement = small(GRANT | {"measure": {"sum": ["gravity"], "mean": ["gravity"], "variance": ["age"]}})
    decision = decide(agreement, library, "as-opcc", asked)
    assert [reason.clause for reason in decision.reasons] == ["grants/0/measure/variance"]
    assert nearest_to(decision, agreement, library, asked).measures[0].kind in ("sum", "mean", "variance")


def median(field="age", grid=(18, 65), q=("0.5",)):
    return {"quantile": {"field": field, "q": list(q), "grid": list(grid)}}


@pytest.mark.parametrize("grid", [(18, 65), (18, "65", 120)])
def test_a_grid_makes_a_bin_up_to_each_point_and_to_the_largest_number_of_the_column(small, library, ask, grid):
    granted = small(GRANT | {"measure": {"quantile": ["age"]}})
    (found,) = planned(granted, library, ask(measures=[median(grid=grid, q=("0.25", "0.50"))])).measures
    assert (found.name, found.parts, found.detail.q) == ("quantile_age", 4, ("0.25", "0.5"))
    assert found.detail.keys.keys == ("up to 18", "up to 65", "up to 120", "unknown")
    assert found.detail.keys.bands == (
        ("up to 18", Binned.LOWEST, 18), ("up to 65", 19, 65), ("up to 120", 66, Binned.HIGHEST),
    )  # fmt: skip


@pytest.mark.parametrize("grid", [(-1, 18), (18, 121), ("18.5",)])
def test_a_grid_beyond_the_column_makes_no_sense(small, library, ask, grid):
    with pytest.raises(Malformed) as refused:
        decide(small(GRANT | {"measure": {"quantile": ["age"]}}), library, "as-opcc", ask(measures=[median(grid=grid)]))
    assert refused.value.code == "wrong_bins"


@pytest.mark.parametrize(
    "shape",
    [
        {"q": ["0.5"]}, {"grid": [18]}, {"q": [], "grid": [18]}, {"q": ["0.5"], "grid": []},
        {"q": ["0.0"], "grid": [1]}, {"q": ["1"], "grid": [18]}, {"q": ["1.0"], "grid": [18]},
        {"q": ["0.50", "0.5"], "grid": [18]},
        {"q": ["0.9", "0.5"], "grid": [18]}, {"q": ["0.12345"], "grid": [18]}, {"q": [0.5], "grid": [18]},
        {"q": ["0.5"], "grid": [65, 18]}, {"q": ["0.5"], "grid": [18, "18.0"]}, {"q": ["0."], "grid": [18]},
        {"q": ["0.5"], "grid": list(range(33))}, {"q": [f"0.{n}" for n in range(11, 21)], "grid": [18]},
    ],
)  # fmt: skip
def test_a_quantile_of_another_shape_is_not_read(ask, shape):
    with pytest.raises(InvalidDocument):
        ask(measures=[{"quantile": {"field": "age"} | shape}])


def test_a_quantile_is_granted_by_its_own_clause_and_mended_to_one(small, library, ask):
    asked = ask(measures=[median()])
    agreement = small(GRANT | {"measure": {"histogram": ["age"], "quantile": ["gravity"]}})
    decision = decide(agreement, library, "as-opcc", asked)
    assert [reason.clause for reason in decision.reasons] == ["grants/0/measure/quantile"]
    alone = small(GRANT | {"measure": {"quantile": ["age"]}})
    other = ask(measures=[{"count": {}}])
    (found,) = nearest_to(decide(alone, library, "as-opcc", other), alone, library, other).measures
    assert found.as_json() == {"quantile": {"field": "age", "q": ["0.5"], "grid": ["60"]}}


def test_a_grid_is_a_grouping_and_counts_among_the_columns_of_a_question(small, library, ask):
    agreement = small(GRANT | {"measure": {"quantile": ["age"]}, "most_fields": 1})
    assert decide(agreement, library, "as-opcc", ask(measures=[median()])).allowed
    decision = decide(agreement, library, "as-opcc", ask(measures=[median()], by=[{"field": "lad"}]))
    assert [reason.clause for reason in decision.reasons] == ["grants/0/most_fields"]


def test_a_grid_counts_towards_the_most_numbers_of_a_table(small, library, ask, monkeypatch):
    agreement = small(GRANT | {"measure": {"quantile": ["age"]}})
    asked = ask(measures=[median()], by=[{"field": "lad"}])
    plan = planned(agreement, library, asked)
    assert plan.numbers == plan.cells * 4
    monkeypatch.setattr("service.policy.keys.MAX_CELLS", plan.cells * 4 - 1)
    with pytest.raises(Malformed) as refused:
        decide(agreement, library, "as-opcc", asked)
    assert refused.value.code == "too_many_cells"


def test_another_grid_or_another_part_is_another_question(small, library, ask):
    agreement, versions = small(GRANT | {"measure": {"quantile": ["age"]}}), {"police-violence": "v1"}

    def named(**shape):
        return planned(agreement, library, ask(measures=[median(**shape)])).identity(versions)

    assert named(grid=(18, 65)) == named(grid=("18", 65, 120), q=("0.50",))
    assert len({named(), named(grid=(18,)), named(q=("0.75",)), named(q=("0.5", "0.75"))}) == 4


def test_a_measure_is_written_as_it_was_read(ask):
    written: list[dict[str, Any]] = [
        {"repeat": {}},
        histogram(level="sna-band"),
        {"sum": {"field": "gravity"}},
        {"variance": {"field": "gravity"}},
    ]
    written.append(median(grid=("18", "65")))
    for given in written:
        (found,) = ask(measures=[given]).measures
        assert isinstance(found, Measure)
        assert found.as_json() == given


# --- measures worked out from others

PERIODS = {"group_by": {"lad": ["as-is"], "occurred": ["month"]}, "measure": {"count": True, "sum": ["gravity"]}}
MONTHS = {
    "by": [{"field": "occurred", "level": "month"}],
    "where": [{"field": "occurred", "from": "2026-04-01", "to": "2026-06-30"}],
}
ROLLING = {"rolling": {"of": "count", "periods": 2}}


def test_what_is_worked_out_from_a_measure_is_granted_with_it(small, library, ask):
    wanted = [{"sum": {"field": "gravity"}}, {"share": {"of": "sum_gravity"}}, {"count": {}}, ROLLING]
    plan = planned(small(GRANT | PERIODS), library, ask(measures=wanted, **MONTHS))
    assert [item.name for item in plan.measures] == ["sum_gravity", "share_sum_gravity", "count", "rolling_count_2"]
    assert [item.base for item in plan.measures] == [None, "sum_gravity", None, "count"]
    assert (plan.measures[1].low, plan.measures[1].high) == (plan.measures[0].low, plan.measures[0].high)


def test_more_periods_are_another_question(small, library, ask):
    agreement = small(GRANT | PERIODS)
    plans = [
        planned(agreement, library, ask(measures=[{"count": {}}, {"change": {"of": "count", "periods": n}}], **MONTHS))
        for n in (1, 2)
    ]
    assert len({plan.identity({"police-violence": "v1"}) for plan in plans}) == 2


def test_what_is_not_granted_has_nothing_worked_out_from_it_either(small, library, ask):
    asked = ask(measures=[{"count": {}}, {"persons": {}}, {"share": {"of": "persons"}}])
    decision = decide(small(GRANT), library, "as-opcc", asked)
    assert (decision.allowed, {reason.clause for reason in decision.reasons}) == (False, {"grants/0/measure/persons"})
    nearest = nearest_to(decision, small(GRANT), library, asked)
    assert [item.name for item in nearest.measures] == ["count"]


@pytest.mark.parametrize("by", [[], [{"field": "lad"}]])
def test_periods_want_one_grouping_by_dates(small, library, ask, by):
    with pytest.raises(Malformed) as refused:
        decide(small(GRANT | PERIODS), library, "as-opcc", ask(measures=[{"count": {}}, ROLLING], by=by))
    assert refused.value.code == "no_periods"


def test_where_the_dates_may_not_be_grouped_the_nearest_request_goes_without_periods(small, library, ask):
    asked = ask(measures=[{"count": {}}, ROLLING, {"share": {"of": "count"}}], **MONTHS)
    agreement = small(GRANT | {"filter_by": {"occurred": ["month"]}})
    decision = decide(agreement, library, "as-opcc", asked)
    assert not decision.allowed
    nearest = explained(decision, agreement, library, "as-opcc", asked).nearest
    assert nearest is not None
    assert [item.name for item in nearest.request.measures] == ["count", "share_count"]
    assert "do not ask for the rolling of count" in nearest.changes


@pytest.mark.parametrize(
    "measures_",
    [
        [{"share": {"of": "count"}}],
        [{"count": {}}, {"share": {"of": "persons"}}],
        [{"mean": {"field": "gravity"}}, {"share": {"of": "mean_gravity"}}],
        [{"count": {}}, {"share": {}}],
        [{"count": {}}, {"share": {"base": "count"}}],
        [{"count": {}}, {"share": {"of": "count", "periods": 2}}],
        [{"count": {}}, {"rolling": {"of": "count"}}],
        [{"count": {}}, {"rolling": {"of": "count", "periods": 1}}],
        [{"count": {}}, {"change": {"of": "count", "periods": 0}}],
        [{"count": {}}, {"change": {"of": "count", "periods": 367}}],
        [{"count": {}}, ROLLING, ROLLING],
        [{"count": {}}, {"share": {"of": "count"}}, {"share": {"of": "share_count"}}],
    ],
)
def test_what_it_is_of_is_asked_beside_it(ask, measures_):
    with pytest.raises(InvalidDocument):
        ask(measures=measures_)


def test_a_column_that_may_be_negative_has_no_shares(library):
    schema = SCHEMAS["police"]
    item = read(Measure, {"share": {"of": "sum_harm"}})
    with pytest.raises(Malformed) as refused:
        measures._BUILD["share"](item, schema, library)
    assert refused.value.code == "wrong_share"
    assert (
        measures._BUILD["share"](read(Measure, {"share": {"of": "sum_age"}}), schema, library).name == "share_sum_age"
    )
