"""Steps from period to period."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.calendar import floor, next_start, start_before


@given(
    st.dates(date(1900, 1, 1), date(2190, 12, 31)),
    st.sampled_from(["day", "month", "quarter", "year"]),
    st.integers(0, 40),
)
def test_so_many_periods_before_is_where_so_many_steps_lead_back_from(day, level, periods):
    start = floor(day, level)
    back = start_before(start, level, periods)
    assert back == floor(back, level)
    for _ in range(periods):
        back = next_start(back, level)
    assert back == start


@pytest.mark.parametrize(
    ("level", "periods", "before"), [("month", 12, date(2024, 3, 1)), ("day", 365, date(2024, 3, 1))]
)
def test_a_year_on_year_of_months_and_of_days_agree_after_a_february_of_28(level, periods, before):
    assert start_before(date(2025, 3, 1), level, periods) == before


def test_a_year_of_days_is_no_year_of_months_where_february_has_29():
    assert start_before(date(2025, 2, 1), "month", 12) == date(2024, 2, 1)
    assert start_before(date(2025, 2, 1), "day", 365) == date(2024, 2, 2)
