"""What an analyst is told of a question that waits, and what a steward does about it."""

import json
from typing import Any

import pytest

from connectors.client import Client
from connectors.errors import UnreachableError, WaitingError
from tests.unit.connectors.broker_double import REQUEST, BrokerDouble
from tests.unit.connectors.test_cli import Run, as_opcc, clients, question, run  # noqa: F401 - fixtures

WAITING = {"standing": "waiting", "approval": "approval-1", "needs": ["police", "health"], "has": ["health"]}


def test_a_question_that_waits_is_no_answer_and_keeps_its_key(client: Client, broker: BrokerDouble) -> None:
    broker.waiting = dict(WAITING)
    with pytest.raises(WaitingError) as caught:
        client.ask("avon", REQUEST, idempotency_key="mine")
    error = caught.value
    assert (error.approval, error.needs, error.has) == ("approval-1", ("police", "health"), ("health",))
    assert error.idempotency_key == "mine"
    assert "police" in error.detail
    assert "health" not in error.detail
    client.decide("avon", "approval-1", "approve", "as agreed")
    assert json.loads(broker.seen[-1].body) == {"decision": "approve", "reason": "as agreed"}
    assert client.ask("avon", REQUEST, idempotency_key="mine").release["rows"]


@pytest.mark.parametrize("told", [{}, [], {"standing": "waiting"}, WAITING | {"needs": "police"}])
def test_an_acceptance_that_says_nothing_of_waiting_is_no_brokers(
    client: Client, broker: BrokerDouble, told: Any
) -> None:
    broker.waiting = dict(WAITING)
    broker.changes["waiting"] = lambda _: told
    with pytest.raises(UnreachableError):
        client.ask("avon", REQUEST)


def test_ask_ends_with_7_and_says_who_has_to_approve(as_opcc: Run, broker: BrokerDouble, question: Any) -> None:  # noqa: F811
    broker.waiting = dict(WAITING)
    done = as_opcc("ask", question)
    assert (done.exit_code, done.stdout) == (7, "")
    assert "Waiting for approval [needs_approval]" in done.stderr
    assert "approval-1 waits for a steward of police; nothing was charged" in done.stderr
    assert "once all have approved, repeat with --idempotency-key ask-" in done.stderr
    error = json.loads(as_opcc("ask", question, "--json").stderr)["error"]
    assert error["code"] == "needs_approval"


def test_a_preview_shows_whose_approval_is_needed(as_opcc: Run, broker: BrokerDouble, question: Any) -> None:  # noqa: F811
    needed = {"needs": ["police", "health"], "standing": "waiting", "has": ["health"]}
    broker.changes["preview"] = lambda shown: shown | {"needs_approval": needed}
    assert "needs approval of police, health: waiting, approved by health" in as_opcc("preview", question).stdout
    broker.changes["preview"] = lambda shown: (
        shown | {"needs_approval": {"needs": ["police"], "standing": "refused", "refused_by": "police"}}
    )
    assert "needs approval of police: refused by police" in as_opcc("preview", question).stdout


def test_a_steward_lists_shows_approves_and_refuses(as_opcc: Run, broker: BrokerDouble) -> None:  # noqa: F811
    broker.waiting = dict(WAITING)
    listed = as_opcc("approvals", "list")
    assert listed.exit_code == 0, listed.stderr
    assert "approval-1" in listed.stdout
    assert "count of police-violence by lad (as-is)" in listed.stdout
    shown = as_opcc("approvals", "show", "approval-1").stdout
    for words in ("the summer profile", "E06000022", "2% of its share", "about +-10", "still needed: police"):
        assert words in shown
    refused = as_opcc("approvals", "refuse", "approval-1", "--reason", "too fine")
    assert "police said refuse at 2026-05-02T00:00:00.000Z: too fine" in refused.stdout
    approved = as_opcc("approvals", "approve", "approval-1", "--json")
    assert json.loads(approved.stdout)["standing"] == "approved"
