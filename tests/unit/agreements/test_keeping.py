"""How long records are kept: to the end of the day on which ``keep`` runs out, in the calendar, by UTC."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.calendar import Duration, add, parse_duration
from service.agreements.keeping import expiry, first_kept

ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
FIRST, LAST = (datetime(year, 1, 1) for year in (1950, 2150))  # noqa: DTZ001 - their zones are drawn beside them
TIMES = st.datetimes(FIRST, LAST, timezones=ZONES)
LEAP_DAYS = st.sampled_from([date(year, 2, day) for year in (2023, 2024, 2028, 2100) for day in (27, 28)])
DURATIONS = st.builds(Duration, st.integers(0, 120), st.integers(0, 400)).filter(lambda held: held != Duration(0, 0))
MOMENT = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("received", "keep", "end"),
    [
        ("2026-04-01T00:00:00+00:00", "P3Y", "2029-04-02"),
        ("2026-04-01T23:59:59.999999+00:00", "P3Y", "2029-04-02"),
        ("2026-04-02T00:00:00+00:00", "P3Y", "2029-04-03"),
        ("2024-02-29T12:00:00+00:00", "P1Y", "2025-03-01"),
        ("2024-02-29T12:00:00+00:00", "P4Y", "2028-03-01"),
        ("2026-01-31T12:00:00+00:00", "P1M", "2026-03-01"),
        ("2028-01-31T12:00:00+00:00", "P1M", "2028-03-01"),
        ("2026-01-31T12:00:00+00:00", "P1M1D", "2026-03-02"),
        ("2026-12-31T12:00:00+00:00", "P1D", "2027-01-02"),
        ("2026-04-01T23:30:00-05:00", "P1D", "2026-04-04"),
        ("2026-04-01T00:30:00+14:00", "P1D", "2026-04-02"),
    ],
)
def test_records_are_kept_to_the_end_of_the_day_on_which_their_time_runs_out(received, keep, end):
    found = expiry(datetime.fromisoformat(received), parse_duration(keep))
    assert found == datetime.combine(date.fromisoformat(end), datetime.min.time(), UTC)


@given(TIMES, DURATIONS)
def test_nothing_goes_before_its_time_and_nothing_stays_a_whole_day_longer(received, keep):
    day = received.astimezone(UTC)
    whole = datetime.combine(add(day.date(), keep), day.timetz())
    assert whole < expiry(received, keep) <= whole + timedelta(days=1)


@given(TIMES, ZONES, DURATIONS)
def test_the_zone_in_which_a_time_is_written_makes_no_difference(received, zone, keep):
    assert expiry(received.astimezone(zone), keep) == expiry(received, keep)
    assert first_kept(received.astimezone(zone), keep) == first_kept(received, keep)


@given(TIMES, TIMES, DURATIONS)
def test_all_that_was_received_on_a_day_goes_at_once(received, other, keep):
    same = datetime.combine(received.astimezone(UTC).date(), other.time(), UTC)
    assert expiry(same, keep) == expiry(received, keep)


@given(st.one_of(TIMES.map(lambda time: time.astimezone(UTC).date()), LEAP_DAYS), DURATIONS, st.integers(-40, 40))
def test_the_first_day_that_is_kept_parts_what_goes_from_what_stays(day, keep, off):
    end = expiry(datetime.combine(day, datetime.min.time(), UTC), keep)
    assert day >= first_kept(end - MOMENT, keep)
    assert day < first_kept(end, keep)
    near = day + timedelta(days=off)
    gone = expiry(datetime.combine(near, datetime.max.time(), UTC), keep) <= end
    assert gone == (near < first_kept(end, keep))


@given(TIMES, DURATIONS, DURATIONS)
def test_a_longer_time_never_ends_sooner(received, keep, more):
    longer = Duration(keep.months + more.months, keep.days + more.days)
    assert expiry(received, keep) <= expiry(received, longer)
