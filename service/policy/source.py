"""Which data a dataset is, whatever an agreement calls it."""

from __future__ import annotations

from schemas.agreement import Agreement


def source(agreement: Agreement, dataset: str) -> str:
    """Return ``supplier/schema-name``: which data this is, whatever the dataset is called in a version."""
    entry = agreement.datasets[dataset]
    return f"{entry.supplier}/{entry.schema_.split('/', maxsplit=1)[0]}"
