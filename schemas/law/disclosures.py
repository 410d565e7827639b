"""Rules about gateways: whether a power or duty covers each disclosure that a grant makes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from schemas.clauses.datasets import DataClass
from schemas.law.case import HEALTH_CLASS, Case, Disclosure
from schemas.law.finding import Place, Rule
from schemas.law.gateways import Gateway

TABLE = "The gateway table that the agreement pins, schemas/gateways.v1.yaml"
OWN_RULES = frozenset({"article-9", "article-10", "necessity", "confidentiality"})
"""Conditions that are asked of every use of data, not of a gateway alone; rules of their own ask for them."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one gateway says of one class of data of a disclosure.

    Attributes:
        outcome: ``covered``, ``refused``, ``condition`` (one that is not met), or ``silent`` where no row fits.
        words: The provision and what it says, for people.
        source: Where it was read.
    """

    outcome: str
    words: str = ""
    source: str = ""


def verdict(case: Case, name: str, disclosure: Disclosure, data: DataClass) -> Verdict:
    """Return what a gateway says of one class of data of a disclosure."""
    gateway = case.table.gateways[name]
    outside = _without_capacity(gateway, disclosure)
    rule = case.table.weigh(name, disclosure.supplier.kind, disclosure.recipient.kind, data)
    if rule is None:
        return Verdict("silent", f"{gateway.statute} s.{gateway.section} says nothing of it", gateway.source)
    said = f"{gateway.statute} s.{rule.subsection}: {rule.words}"
    source = f"{gateway.statute} s.{rule.subsection}; {gateway.source}"
    if rule.verdict == "refused":
        return Verdict("refused", said, source)
    if outside is not None and gateway.needs_capacity is not None:
        provision = f"{gateway.statute} s.{gateway.needs_capacity.subsection}"
        said = f"{provision}: {outside}"
        return Verdict("refused", said, f"{provision}; {gateway.source}")
    unmet = [item for item in rule.conditions if item not in OWN_RULES and not _met(case, item, disclosure)]
    if unmet:
        return Verdict("condition", f"{said} {case.table.conditions[unmet[0]].words}", source)
    return Verdict("covered")


def _without_capacity(gateway: Gateway, disclosure: Disclosure) -> str | None:
    """Return why a side is outside a gateway by the capacity it states; a side that states none is let through."""
    needs = gateway.needs_capacity
    for side in needs.of if needs is not None else ():
        party = disclosure.supplier if side == "from" else disclosure.recipient
        if party.capacity == "none":
            return f"{party.id} says by its capacity that no statute names it."
        if needs is not None and party.capacity is not None and party.capacity not in needs.capacities:
            return f"{party.id} says by its capacity that it takes part as {party.capacity}, which is not named there."
    return None


def _met(case: Case, condition: str, disclosure: Disclosure) -> bool:
    basis, _ = case.basis(disclosure.purpose, disclosure.supplier.id)
    for place in case.table.conditions[condition].at:
        path = place.replace("purposes/*/legal", basis).replace("purposes/*", f"purposes/{disclosure.purpose}")
        if case.holds(path):
            return True
    return False


def named(case: Case, disclosure: Disclosure) -> tuple[str, tuple[str, ...]]:
    """Return the gateways that a disclosure rests on, and where they stand."""
    dataset = case.agreement.datasets[disclosure.dataset]
    if dataset.gateway:
        return f"datasets/{disclosure.dataset}/gateway", dataset.gateway
    basis, legal = case.basis(disclosure.purpose, disclosure.supplier.id)
    return f"{basis}/gateway", legal.gateway


def _uncovered(case: Case) -> Iterator[tuple[Disclosure, DataClass, str, list[Verdict]]]:
    """Yield each class of data of a disclosure that no gateway covers, where it says so, and each one's verdict."""
    for disclosure in case.disclosures:
        path, gateways = named(case, disclosure)
        known = [name for name in gateways if name in case.table.gateways]
        if not known:
            continue  # rules of their own tell that none is named, or one that the table does not know
        for data in case.classes(disclosure.dataset):
            verdicts = [verdict(case, name, disclosure, data) for name in known]
            if all(held.outcome != "covered" for held in verdicts):
                yield disclosure, data, path, verdicts


def _refused(case: Case, outcome: str, classes: Sequence[DataClass], *, health: bool | None = None) -> Iterator[Place]:
    """Yield the disclosures of these classes whose gravest verdict is ``outcome``, recipients taken together."""
    places: defaultdict[tuple[str, str, str, DataClass, str, str], list[str]] = defaultdict(list)
    for disclosure, data, path, verdicts in _uncovered(case):
        order = ("condition", "refused", "silent")
        worst = min(verdicts, key=lambda held: order.index(held.outcome))
        is_health = disclosure.supplier.kind in ("health", "social-care")
        if worst.outcome == outcome and data in classes and health in (None, is_health):
            key = (path, disclosure.dataset, disclosure.supplier.id, data, worst.words, worst.source)
            places[key].append(disclosure.recipient.id)
    for (path, dataset, supplier, data, words, source), recipients in places.items():
        to = ", ".join(sorted(set(recipients)))
        yield Place(path, f"{data} data of {dataset} from {supplier} to {to}: {words}", source)


_NOT_HEALTH: tuple[DataClass, ...] = ("depersonalised", "personal", "special-category", "criminal-offence")


def _patient_information(case: Case) -> Iterator[Place]:
    yield from _refused(case, "refused", (HEALTH_CLASS,))


def _health_authority(case: Case) -> Iterator[Place]:
    yield from _refused(case, "refused", _NOT_HEALTH, health=True)


def _others(case: Case) -> Iterator[Place]:
    yield from _refused(case, "refused", _NOT_HEALTH, health=False)


def _silent(case: Case) -> Iterator[Place]:
    yield from _refused(case, "silent", (*_NOT_HEALTH, HEALTH_CLASS))


def _condition(case: Case) -> Iterator[Place]:
    yield from _refused(case, "condition", (*_NOT_HEALTH, HEALTH_CLASS))


def _none_named(case: Case) -> Iterator[Place]:
    bare: defaultdict[str, set[str]] = defaultdict(set)
    for disclosure in case.disclosures:
        path, gateways = named(case, disclosure)
        if not gateways:
            bare[path].add(disclosure.dataset)
    for path, datasets in bare.items():
        yield Place(path, f"no power or duty to disclose is named for {', '.join(sorted(datasets))}")


def _not_in_table(case: Case) -> Iterator[Place]:
    places = [(f"datasets/{name}/gateway", held.gateway) for name, held in case.agreement.datasets.items()]
    for name, purpose in case.agreement.purposes.items():
        places.append((f"purposes/{name}/legal/gateway", purpose.legal.gateway))
        places += [
            (f"purposes/{name}/legal_of/{party}/gateway", own.gateway) for party, own in purpose.legal_of.items()
        ]
    for path, gateways in places:
        for index, gateway in enumerate(gateways):
            if gateway not in case.table.gateways:
                known = ", ".join(case.table.gateways)
                yield Place(f"{path}/{index}", f"the table knows no gateway of this name; it knows {known}")


RULES = (
    Rule(
        "patient_information_refused",
        "error",
        "A gateway that does not reach patient information is all that a disclosure of it rests on.",
        TABLE + "; for section 16: Police, Crime, Sentencing and Courts Act 2022 s.16(4)(a), read",
        "Name a gateway that reaches patient information under `datasets.*.gateway`, with its conditions, or supply "
        "tables with small counts suppressed.",
        _patient_information,
    ),
    Rule(
        "health_authority_refused",
        "error",
        "A health or social care body discloses personal information by a gateway that does not let it.",
        TABLE + "; for section 16: Police, Crime, Sentencing and Courts Act 2022 s.16(4)(b), read",
        "Name another gateway for this supplier under `datasets.*.gateway`.",
        _health_authority,
    ),
    Rule(
        "disclosure_refused",
        "error",
        "The gateways named refuse this class of data, this supplier or this recipient.",
        TABLE,
        "Name a gateway that covers it, or take the grant out.",
        _others,
    ),
    Rule(
        "disclosure_not_covered",
        "error",
        "None of the gateways named says anything of this class of data between these kinds of body.",
        TABLE,
        "Name a gateway that covers it, or take the grant out.",
        _silent,
    ),
    Rule(
        "condition_unmet",
        "error",
        "The gateway needs a condition that the agreement does not say is met.",
        TABLE,
        "Say how the condition is met, at one of the places that the table names for it.",
        _condition,
    ),
    Rule(
        "gateway_missing",
        "error",
        "A disclosure names no power or duty.",
        "ICO data sharing code of practice, Annex B, data sharing request form, which asks for the legal power (read)",
        "Name gateways under the purpose's `legal.gateway`, or under the dataset.",
        _none_named,
    ),
    Rule(
        "gateway_unknown",
        "error",
        "A gateway is not in the table that the agreement pins.",
        TABLE,
        "Use a name of the table.",
        _not_in_table,
    ),
)
