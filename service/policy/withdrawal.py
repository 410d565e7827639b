"""What a party's withdrawal from an agreement refuses: asking of what it supplies, and what is granted to it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from schemas.agreement import Agreement
from service.policy.decision import Decision, refused

PARTY_WITHDRAWN = "party_withdrawn"
SUPPLIER_WITHDRAWN = "supplier_withdrawn"


def withdrawn(agreement: Agreement, gone: Collection[str], party: str, datasets: Iterable[str]) -> Decision | None:
    """Return the refusal of a question that a withdrawal forbids, None where none does.

    Args:
        agreement: Says who supplies each dataset.
        gone: The parties that have withdrawn.
        party: Who asks.
        datasets: The datasets asked of and linked with; names that the agreement does not know are left to others.
    """
    if party in gone:
        return refused(PARTY_WITHDRAWN, f"parties/{party}", f"{party} has withdrawn from the agreement")
    for name in datasets:
        dataset = agreement.datasets.get(name)
        if dataset is not None and dataset.supplier in gone:
            words = f"{dataset.supplier} has withdrawn from the agreement with all that it supplies"
            return refused(SUPPLIER_WITHDRAWN, f"datasets/{name}/supplier", words)
    return None
