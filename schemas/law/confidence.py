"""Rules about health: the duty of confidentiality, opt-outs, Caldicott Guardians."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from schemas.law.case import HEALTH_CLASS, Case
from schemas.law.finding import Place, Rule
from schemas.law.statements import says

CARING = frozenset({"health", "ambulance", "social-care"})


def _health_uses(case: Case) -> dict[str, list[str]]:
    """Return, by purpose, the datasets of persons that come from bodies that care, and go to somebody."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for disclosure in case.disclosures:
        cares = disclosure.supplier.kind in CARING and "personal" in case.classes(disclosure.dataset)
        if cares or HEALTH_CLASS in case.classes(disclosure.dataset):
            found[disclosure.purpose].add(disclosure.dataset)
    return {purpose: sorted(datasets) for purpose, datasets in found.items()}


def _without_confidentiality(case: Case) -> Iterator[Place]:
    for purpose, datasets in _health_uses(case).items():
        if not any(held.confidentiality and says(held.confidentiality.words) for held in case.purposes_of(purpose)):
            words = f"nothing says how the duty of confidentiality is met for {', '.join(datasets)}"
            yield Place(f"purposes/{purpose}/confidentiality", words)


def _without_opt_out(case: Case) -> Iterator[Place]:
    for purpose, datasets in _health_uses(case).items():
        if not any(held.opt_out and says(held.opt_out.words) for held in case.purposes_of(purpose)):
            words = f"nothing says what becomes of people who opted out, for {', '.join(datasets)}"
            yield Place(f"purposes/{purpose}/opt_out", words)


def _opt_out_contradicts(case: Case) -> Iterator[Place]:
    for purpose, datasets in _health_uses(case).items():
        held = case.agreement.purposes[purpose].opt_out
        patients = [name for name in datasets if HEALTH_CLASS in case.classes(name)]
        if held is not None and held.handling == "not-health-data" and patients:
            yield Place(f"purposes/{purpose}/opt_out/handling", f"{', '.join(patients)} hold patient information")


def _without_guardian(case: Case) -> Iterator[Place]:
    for party in case.agreement.parties:
        guardian = party.caldicott_guardian
        if party.kind in CARING and (guardian is None or not says(guardian.post)):
            path = f"{case.party_path(party.id)}/caldicott_guardian"
            yield Place(path, f"{party.id}, a body of the kind {party.kind}, names no Caldicott Guardian")


RULES = (
    Rule(
        "confidentiality_missing",
        "error",
        "Information from health or care is used with no word on the duty of confidentiality.",
        "Common-law duty of confidentiality (remembered, not read); section 115 of the Crime and Disorder Act 1998 "
        "does not say that it overrides it (read)",
        "Give the purpose a `confidentiality`: the basis, the reasons, who decided.",
        _without_confidentiality,
    ),
    Rule(
        "opt_out_missing",
        "warning",
        "Health data is used with no word on opt-outs.",
        "National data opt-out, operational policy of NHS England; not applied to data anonymised to the ICO's code "
        "(remembered, not read)",
        "Give the purpose an `opt_out`: whether it is applied, where, or why not.",
        _without_opt_out,
    ),
    Rule(
        "opt_out_contradicts",
        "error",
        "The purpose says that it uses no health data, and it does.",
        "National data opt-out, operational policy of NHS England (remembered, not read)",
        "Say whether the opt-out is applied or not, and why.",
        _opt_out_contradicts,
    ),
    Rule(
        "caldicott_guardian_missing",
        "warning",
        "A health or social care body names no Caldicott Guardian.",
        "National Data Guardian, guidance on the appointment of Caldicott Guardians, 2021 (remembered, not read)",
        "Name the post under the party's `caldicott_guardian`.",
        _without_guardian,
    ),
)
