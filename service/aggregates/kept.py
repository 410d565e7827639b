"""Whether a question would read records that are kept no longer: it is not charged until they have gone."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from schemas.agreement import Agreement
from service.aggregates.ports import Transaction
from service.agreements.keeping import first_kept
from service.errors import Conflict


class Overdue(Conflict):
    """A question would read records that are kept no longer: they have to go before it is charged.

    It is raised only where the question would be charged, so that nothing else takes as long as their removal, which
    depends on how many there are. It reaches the caller, as ``in_progress``, where they were removed and others
    became due meanwhile.
    """

    def __init__(self) -> None:
        """Say so."""
        super().__init__("records that are kept no longer are just leaving the dataset: try again", code="in_progress")


class Settle(Protocol):
    """Removes the extracts of some datasets whose time is over (``service.intake.retention``)."""

    def __call__(self, agreement: str, datasets: Iterable[str], now: datetime, /) -> None:
        """Remove them; do nothing where there are none.

        Raises:
            ConcordatError: they could not be removed.
        """
        ...


def overdue(tx: Transaction, agreement: Agreement, datasets: Iterable[str], now: datetime) -> bool:
    """Tell whether any of these datasets holds an extract whose time is over by a version of the agreement."""
    return any(
        tx.answers.overdue(agreement.id, name, first_kept(now, agreement.datasets[name].keep)) for name in datasets
    )
