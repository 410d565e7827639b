"""Who may learn what about whom, for what and how much: the first thing on the page, in plain words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from schemas.agreement import Agreement
from schemas.clauses.grants import Grant
from schemas.clauses.measures import FLAGS, Measures, granted
from schemas.page import words


@dataclass(frozen=True, slots=True)
class Granted:
    """One grant in a row: where its clause is, and what it says in words."""

    anchor: str
    who: tuple[str, ...]
    unit: str
    dataset: str
    supplier: str
    purposes: tuple[str, ...]
    learns: tuple[str, ...]
    columns: str
    limits: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Share:
    """A recipient's part of the budget, and the most of that one of its clients may spend; empty where no limit."""

    who: str
    percent: str
    each: str


@dataclass(frozen=True, slots=True)
class Summary:
    """What the agreement comes to; ``by_record`` names the datasets in which a record is protected, not a person."""

    suppliers: tuple[str, ...]
    recipients: tuple[str, ...]
    processors: tuple[str, ...]
    start: str
    end: str
    review_by: str
    granted: tuple[Granted, ...]
    epsilon: str
    every: str
    lifetime: str
    by_record: str
    shares: tuple[Share, ...]
    publish: str


_PUBLISH = {
    "allowed": "A recipient may publish what it was answered.",
    "needs-approval": "A recipient publishes what it was answered only once that is approved.",
    "forbidden": "Nobody publishes what was answered.",
}


def summarise(agreement: Agreement) -> Summary:
    """Return an agreement in short."""
    name = {party.id: words.visible(party.name) for party in agreement.parties}
    suppliers = dict.fromkeys(dataset.supplier for dataset in agreement.datasets.values())
    recipients = dict.fromkeys(party for grant in agreement.grants for party in grant.to)
    privacy = agreement.privacy
    return Summary(
        suppliers=tuple(name[party] for party in suppliers),
        recipients=tuple(name[party] for party in recipients),
        processors=tuple(name[party.id] for party in agreement.parties if party.role == "processor"),
        start=words.day(agreement.period.start),
        end=words.day(agreement.period.end),
        review_by=words.day(agreement.period.review_by),
        granted=tuple(_granted(index, grant, agreement, name) for index, grant in enumerate(agreement.grants)),
        epsilon=f"{privacy.budget.epsilon.normalize():f}",
        every=words.lasting(privacy.budget.every),
        lifetime=f"{privacy.lifetime.epsilon.normalize():f}",
        by_record=words.listed(
            name for name, dataset in agreement.datasets.items() if dataset.privacy_unit == "record"
        ),
        shares=tuple(
            Share(name[party], _percent(share), _percent(privacy.analysts[party]) if party in privacy.analysts else "")
            for party, share in privacy.shares.items()
        ),
        publish=_PUBLISH[agreement.obligations.publish],
    )


def _granted(index: int, grant: Grant, agreement: Agreement, name: dict[str, str]) -> Granted:
    return Granted(
        anchor=words.anchor(("grants", index)),
        who=tuple(name[party] for party in grant.to),
        unit="people in" if agreement.datasets[grant.dataset].privacy_unit == "person" else "single records of",
        dataset=grant.dataset,
        supplier=name[agreement.datasets[grant.dataset].supplier],
        purposes=grant.for_,
        learns=tuple(_learns(grant.measure)) or ("nothing",),
        columns=words.listed(dict.fromkeys([*grant.group_by, *grant.filter_by])),
        limits=tuple(_limits(grant, name)),
    )


def _learns(measure: Measures) -> Iterator[str]:
    for kind, field in granted(measure):
        yield FLAGS[kind][1] if field is None else f"the {kind} of {field}"


def _limits(grant: Grant, name: dict[str, str]) -> Iterator[str]:
    for column, codes in grant.rows.items():
        yield f"only records with {column} {words.listed(codes)}"
    if grant.link:
        yield f"may be linked by person with {words.listed(grant.link)}"
    for column, fewest in grant.combine.items():
        yield f"a filter on {column} combines {fewest} codes or more"
    if grant.most_fields is not None:
        yield f"at most {grant.most_fields} columns in one question"
    if grant.approval:
        yield f"each question approved by {words.listed(name[party] for party in grant.approval)}"


def _percent(share: Decimal) -> str:
    return f"{(share * 100).normalize():f}%"
