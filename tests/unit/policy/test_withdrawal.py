"""What a withdrawal refuses, and nothing else."""

from __future__ import annotations

import pytest

from schemas import agreement as documents
from schemas.agreement import parse
from service.policy.withdrawal import withdrawn
from tests.support.server import WORKED_EXAMPLE

AGREEMENT = parse(documents.load(WORKED_EXAMPLE.read_bytes()))


@pytest.mark.parametrize(
    ("gone", "party", "datasets", "code", "clause"),
    [
        ([], "as-opcc", ["police-violence", "ed-assaults"], None, None),
        (["bri-ed"], "as-opcc", ["police-violence"], None, None),
        (["bri-ed"], "as-opcc", ["ed-assaults"], "supplier_withdrawn", "datasets/ed-assaults/supplier"),
        (
            ["bri-ed"],
            "as-opcc",
            ["police-violence", "ed-assaults"],
            "supplier_withdrawn",
            "datasets/ed-assaults/supplier",
        ),
        (["as-opcc"], "as-opcc", ["police-violence"], "party_withdrawn", "parties/as-opcc"),
        (["as-opcc", "bri-ed"], "as-opcc", ["ed-assaults"], "party_withdrawn", "parties/as-opcc"),
        (["as-opcc"], "bristol", ["police-violence"], None, None),
        (["bri-ed"], "as-opcc", ["no-such-dataset"], None, None),
    ],
)
def test_a_withdrawal_refuses_what_its_party_supplies_or_asks(gone, party, datasets, code, clause):
    found = withdrawn(AGREEMENT, gone, party, datasets)
    assert (found.code if found else None) == code
    assert (found.clauses if found else None) == ((clause,) if clause else None)
