"""What an earlier question may still be answered with, once a newer version of its agreement is in force."""

from __future__ import annotations

import json

from service.aggregates.case import Case
from service.aggregates.intents import datasets, stored_request
from service.aggregates.ports import IntentRow, ReleaseRow, Transaction
from service.agreements.standing import document, library, state
from service.errors import Forbidden, Malformed
from service.policy.decide import decide
from service.policy.plan import EffectivePlan


def amended(tx: Transaction, broker: str, intent: IntentRow, names: dict[str, str]) -> Forbidden | None:
    """Return the refusal of a charged question that the version in force by now would not answer alike."""
    held = state(tx.agreements, intent.agreement, broker)
    if held is None or held.decides is None or held.decides.version == intent.version:
        return None
    agreement = document(held.decides.document)
    request, roles = stored_request(intent.request), intent.role.split()
    try:
        decision = decide(agreement, library(tx.agreements, agreement), intent.party, request, roles)
    except Malformed:
        return _other_answer()
    if decision.plan is None or decision.approvals or not _is_same(decision.plan, names, intent.identity):
        return _other_answer()
    return None


def _is_same(plan: EffectivePlan, names: dict[str, str], identity: str) -> bool:
    """Whether a plan at these data versions is the question that an identity names."""
    return set(datasets(plan)) <= set(names) and plan.identity(names) == identity


def check_same(case: Case, held: ReleaseRow) -> None:
    """Refuse to replay a stored answer to what the same words would not ask today.

    Raises:
        Forbidden: ``agreement_amended``.
    """
    if not _is_same(case.plan, json.loads(held.body)["data_versions"], held.identity):
        raise _other_answer()


def _other_answer() -> Forbidden:
    words = (
        "the agreement was amended since, and the version in force answers another question: ask anew with a new key"
    )
    return Forbidden(
        words,
        code="agreement_amended",
        decision={
            "outcome": "refused",
            "code": "agreement_amended",
            "clauses": ["version"],
            "reasons": [{"clause": "version", "words": words}],
            "weighed": [],
        },
    )
