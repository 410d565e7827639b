"""Rules about parties: in which capacity a statute names them, and who answers for them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from schemas.clauses.parties import Contact, Party
from schemas.law.case import Case
from schemas.law.finding import Place, Rule
from schemas.law.statements import says

DUTY = "Police, Crime, Sentencing and Courts Act 2022 ss.11, 12 (read), Schedules 1 and 2 (read in part)"
_PARTNERSHIP = re.compile(
    r"violence (?:reduction|prevention|and vulnerability) (?:partnership|unit|network|board)|\bVR[PUN]s?\b"
    r"|serious violence (?:duty )?(?:partnership|board)|safety partnership",
    re.IGNORECASE,
)
_HOLDER = re.compile(
    r"police|commissioner|constab|council|mayor|authority|hospital|school|prison|probation"
    r"|(?:health|care) board|NHS (?:foundation )?trust",
    re.IGNORECASE,
)
"""A board or a trust by itself is no excuse: partnerships have boards, and trusts host them."""


def _names_no_duty_holder(party: Party) -> bool:
    """Whether a party is a partnership by its name, and the name says of no body that holds the duty."""
    return _PARTNERSHIP.search(party.name) is not None and _HOLDER.search(party.name) is None


def _partnership(case: Case) -> Iterator[Place]:
    suppliers = {dataset.supplier for dataset in case.agreement.datasets.values()}
    takes_part = suppliers | {party for grant in case.agreement.grants for party in grant.to}
    for party in case.agreement.parties:
        path = case.party_path(party.id)
        named = party.capacity not in (None, "none")
        if party.kind == "partnership" and named:
            yield Place(f"{path}/capacity", f"{party.id} is a partnership and claims the capacity {party.capacity}")
        elif party.kind == "partnership" and party.id in takes_part:
            yield Place(f"{path}/kind", f"{party.id} is a partnership, and data is supplied or received in its name")
        elif party.kind not in ("partnership", "processor") and _names_no_duty_holder(party):
            yield Place(f"{path}/name", f"{party.id} has the name of a partnership and the kind {party.kind}")


def _unfit(case: Case) -> Iterator[Place]:
    for party in case.agreement.parties:
        fit = case.table.capacities[party.kind]
        if party.capacity is not None and party.capacity not in fit and party.kind != "partnership":
            words = f"a {party.kind} body is not {party.capacity}; it can be {', '.join(fit)}"
            yield Place(f"{case.party_path(party.id)}/capacity", words)


def _each(name: str, words: str, roles: Iterable[str]) -> Callable[[Case], Iterator[Place]]:
    """Return a rule that wants a clause of every party in these roles."""

    def find(case: Case) -> Iterator[Place]:
        for party in case.agreement.parties:
            held = getattr(party, name)
            if party.role in roles and (held is None or (isinstance(held, Contact) and not says(held.post))):
                yield Place(f"{case.party_path(party.id)}/{name}", f"{party.id} {words}")

    return find


_DECIDES = ("controller", "joint-controller", "recipient")
_ALL = (*_DECIDES, "processor")


def _without_signatory(case: Case) -> Iterator[Place]:
    if not case.holds("legal/signatories"):
        yield from _each("signatory", "names nobody who signs for it", _ALL)(case)


RULES = (
    Rule(
        "partnership_not_an_authority",
        "error",
        "A violence reduction partnership or unit stands where a statute wants an authority.",
        DUTY,
        "Name the duty holder that holds or receives the data: the police force, the policing body, the council.",
        _partnership,
    ),
    Rule(
        "capacity_unfit",
        "error",
        "A party claims a capacity that a body of its kind does not have.",
        f"{DUTY}; Crime and Disorder Act 1998 s.115(2) (read, as amended); the gateway table that the agreement pins",
        "Correct the kind or the capacity.",
        _unfit,
    ),
    Rule(
        "capacity_missing",
        "warning",
        "A party does not say in which capacity a statute names it.",
        DUTY,
        "Give its `capacity`; `none` where no statute names it, as for an NHS trust.",
        _each("capacity", "does not say in which capacity it takes part", _DECIDES),
    ),
    Rule(
        "controller_status_missing",
        "warning",
        "A party does not say whether it is a controller of its own, a joint one, or a processor.",
        "UK GDPR arts. 4(7), 26, 28 (remembered, not read); ICO data sharing code of practice, Annex B, data sharing "
        "request form (read)",
        "Give its `controller_status`.",
        _each("controller_status", "does not say what it is under UK GDPR", _ALL),
    ),
    Rule(
        "data_protection_officer_missing",
        "warning",
        "A controller names no data protection officer.",
        "UK GDPR arts. 37 to 39; DPA 2018 s.69 (remembered, not read)",
        "Name the post under the party's `dpo`.",
        _each("dpo", "names no data protection officer", _DECIDES),
    ),
    Rule(
        "risk_owner_missing",
        "warning",
        "A controller names no senior information risk owner.",
        "Practice of public bodies: the NHS Data Security and Protection Toolkit and the Security Policy Framework "
        "(remembered, not read)",
        "Name the post under the party's `siro`.",
        _each("siro", "names no senior information risk owner", _DECIDES),
    ),
    Rule(
        "signatory_missing",
        "warning",
        "Nothing says who signs for a party.",
        "ICO data sharing code of practice, on data sharing agreements (remembered, not read)",
        "Name the post under the party's `signatory`, or say it for all under `legal.signatories`.",
        _without_signatory,
    ),
)
