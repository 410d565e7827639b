"""What the client makes of a version's difference and of a replay in pages."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fastapi.responses import Response

from connectors.client import Client
from connectors.errors import LocalError, UnreachableError
from tests.unit.connectors.broker_double import BrokerDouble


def page(**changes: Any) -> Response:
    made = {
        "agreement": {"id": "avon", "version": "2"}, "replayed": 2, "same": 1, "flips": [{"n": 1}], "unreadable": 1,
        "unreadable_because": {"a": 1}, "not_replayed": 0, "not_replayed_because": {}, "next": None, "size": 9,
    }  # fmt: skip
    return Response(json.dumps(made | changes))


def test_a_difference_is_from_the_version_in_force_unless_another_is_named(
    client: Client, broker: BrokerDouble
) -> None:
    for _ in range(2):
        broker.faults.append(("/versions/2/diff", Response(b'{"changes": []}')))
    assert client.diff("avon", "2") == {"changes": []}
    assert client.diff("avon", "2", "1") == {"changes": []}
    assert [seen.params for seen in broker.called("/diff")] == [{}, {"from": "1"}]
    with pytest.raises(LocalError):
        client.diff("avon", "..")


def test_the_pages_of_a_replay_add_up(client: Client, broker: BrokerDouble) -> None:
    broker.faults.append(("/versions/2/replay", page(next=5, size=7)))
    second = page(flips=[{"n": 6}], unreadable=3, unreadable_because={"a": 1, "b": 2})
    broker.faults.append(("/versions/2/replay", second))
    assert client.replay("avon", "2", since="2026-01-01", page=2) == {
        "agreement": {"id": "avon", "version": "2"}, "replayed": 4, "same": 2, "flips": [{"n": 1}, {"n": 6}],
        "unreadable": 4, "unreadable_because": {"a": 2, "b": 2}, "not_replayed": 0, "not_replayed_because": {},
        "next": None, "size": 9,
    }  # fmt: skip
    asked = [seen.params for seen in broker.called("/replay")]
    assert [(params["first"], params["limit"], params["since"]) for params in asked] == [
        ("0", "2", "2026-01-01"), ("5", "2", "2026-01-01"),
    ]  # fmt: skip


@pytest.mark.parametrize("following", [0, "5", True, 1.5])
def test_a_replay_that_leads_nowhere_is_refused(client: Client, broker: BrokerDouble, following: Any) -> None:
    broker.faults.append(("/replay", page(next=following)))
    with pytest.raises(UnreachableError):
        client.replay("avon", "2")
