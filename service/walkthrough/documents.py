"""The story's documents: the Cardiff example with a fourth party, as a flawed draft, as signed, and as amended."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date
from typing import Any

import agreements

PARTIES = ("cardiff-ed", "south-wales-police", "south-wales-pcc", "operator")
_COMMISSIONER = """  - id: south-wales-pcc
    name: South Wales Police and Crime Commissioner
    kind: local-policing-body
    role: recipient
    controller_status: independent-controller
    capacity: local-policing-body
    key: placeholder-key-of-south-wales-pcc_________
    dpo: {post: Data protection officer}
    siro: {post: Senior information risk owner}
    signatory: {post: Chief executive}
"""
GRANT = """  - to: [south-wales-pcc]
    for: [violence-prevention]
    dataset: ed-assaults
    group_by: {arrived: [month, quarter], method: [weapon], location: [as-is]}
    filter_by: {arrived: [month, quarter], method: [weapon]}
    measure: {count: true, persons: true}
"""
NARROWER = GRANT.replace(", location: [as-is]", "").replace(", persons: true", "")
_EXAMPLE_YEAR = 2026
_APRIL = 4


def year_of(today: date) -> int:
    """Return the year in whose April the agreement starts, so that it is in force today."""
    return today.year if today.month >= _APRIL else today.year - 1


def signed_text(keys: Mapping[str, str], today: date) -> str:
    """Return version 1: the example with the commissioner as recipient, these keys, and dates that hold today.

    Records are kept as long as it runs, so that the check has nothing to remark on.

    Args:
        keys: Thumbprint of each party's key.
        today: Fixes the year.
    """
    text = agreements.path("cardiff-minimal").read_text(encoding="utf-8")
    text = text[text.index("concordat: agreement/v1") :]
    text = text.replace("  - id: operator\n", _COMMISSIONER + "  - id: operator\n")
    text = text.replace("keep: P1Y", "keep: P2Y")
    text = text.replace("\nprivacy:\n", f"{GRANT}\nprivacy:\n")
    text = text.replace(
        'shares: {south-wales-police: "0.7", cardiff-ed: "0.3"}',
        'shares: {south-wales-police: "0.5", cardiff-ed: "0.2", south-wales-pcc: "0.3"}',
    )
    for party, thumbprint in keys.items():
        text = re.sub(rf"placeholder-key-of-{party}_+", thumbprint, text)
    years = year_of(today) - _EXAMPLE_YEAR
    return re.sub(r'"(20\d\d)(-\d\d-\d\d)"', lambda found: f'"{int(found[1]) + years}{found[2]}"', text)


def draft_text(signed: str) -> str:
    """Return the flawed draft: it rests on section 16, in that Act's capacities, and does not reach patients."""
    text = signed.replace("capacity: relevant-authority", "capacity: specified-authority")
    return text.replace("gateway: [cda-1998-s115]", "gateway: [pcsc-2022-s16]")


def amended_text(signed: str) -> str:
    """Return version 2: the commissioner is granted less."""
    return signed.replace('version: "1"', 'version: "2"').replace(GRANT, NARROWER)


def question(today: date) -> str:
    """Return the commissioner's question, as JSON text."""
    value: dict[str, Any] = {
        "purpose": "violence-prevention",
        "dataset": "ed-assaults",
        "measures": [{"count": {}}],
        "by": [{"field": "location"}],
        "where": [{"field": "arrived", "from": f"{year_of(today)}-04-01", "to": f"{year_of(today)}-06-30"}],
        "spend": {"share": "0.05"},
        "reason": "where people are assaulted, for the commissioner's plan",
    }
    return json.dumps(value, indent=2)


def too_fine(today: date) -> str:
    """Return a question that no grant covers: by age, to the year."""
    value = json.loads(question(today))
    return json.dumps(value | {"by": [{"field": "location"}, {"field": "age", "level": "as-is"}]}, indent=2)
