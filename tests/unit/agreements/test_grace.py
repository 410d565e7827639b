"""How long the grace lasts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from schemas.agreement import parse
from service.agreements.grace import ended, over

NIGHT = datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("grace", "end"),
    [
        (None, datetime(2026, 3, 2, 23, 59, 59, tzinfo=UTC)),
        ("P30D", datetime(2026, 3, 2, 23, 59, 59, tzinfo=UTC)),
        ("P1D", datetime(2026, 2, 1, 23, 59, 59, tzinfo=UTC)),
        ("P1M", datetime(2026, 2, 28, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_the_grace_is_the_agreements_or_thirty_days(world, grace, end):
    value = world.document(lambda value: value["obligations"].update(grace=grace))
    if grace is None:
        del value["obligations"]["grace"]
    assert over(parse(value), NIGHT) == end


def test_a_time_of_another_zone_is_the_same_moment(world):
    agreement = parse(world.document())
    assert over(agreement, NIGHT.astimezone(timezone(timedelta(hours=5)))) == over(agreement, NIGHT)


def test_a_period_is_over_when_its_last_day_is(world):
    assert ended(parse(world.document())) == datetime(2028, 4, 1, tzinfo=UTC)
