"""Rules about time: reviews that are past or far off, and data kept long."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from schemas.calendar import Duration, add
from schemas.clauses.governance import Dpia
from schemas.law.case import Case
from schemas.law.finding import Place, Rule

CODE = "ICO data sharing code of practice, on reviewing an agreement (remembered, not read)"
LONGEST_REVIEW = Duration(24, 0)
"""The longest between start and review that is not remarked on: the custom of two years, and no rule of law."""
LONGEST_GRACE = Duration(12, 0)
"""The longest from the end to the purge that is not remarked on: a choice of this check, and no rule of law."""


def _ended(case: Case) -> Iterator[Place]:
    period = case.agreement.period
    if case.today > period.end:
        yield Place("period/end", f"the agreement ended on {period.end}")


def _review_past(case: Case) -> Iterator[Place]:
    period = case.agreement.period
    if period.review_by < case.today <= period.end:
        yield Place("period/review_by", f"the review was due by {period.review_by}; it is not in force since")


def _review_far(case: Case) -> Iterator[Place]:
    period = case.agreement.period
    if period.review_by > add(period.start, LONGEST_REVIEW):
        yield Place("period/review_by", f"the review on {period.review_by} is more than two years after the start")


def _dpia(case: Case) -> Dpia | None:
    held = case.agreement.legal.dpia
    return held if isinstance(held, Dpia) else None


def _dpia_review_past(case: Case) -> Iterator[Place]:
    held = _dpia(case)
    if held is not None and held.review is not None and held.review < case.today:
        yield Place("legal/dpia/review", f"the impact assessment was to be reviewed on {held.review}")


def _dpia_late(case: Case) -> Iterator[Place]:
    held = _dpia(case)
    start: date = case.agreement.period.start
    if held is not None and held.done is not None and held.done > start:
        yield Place(
            "legal/dpia/done", f"the impact assessment was completed on {held.done}, after the start on {start}"
        )


def _kept_long(case: Case) -> Iterator[Place]:
    period = case.agreement.period
    for name, dataset in case.agreement.datasets.items():
        if add(period.start, dataset.keep) > add(period.end, Duration(0, 1)):
            words = f"records of {name} may be kept for {dataset.keep}, and the agreement ends on {period.end}"
            yield Place(f"datasets/{name}/keep", f"{words}; they are purged then, with grace")


def _kept_short(case: Case) -> Iterator[Place]:
    period = case.agreement.period
    for name, dataset in case.agreement.datasets.items():
        if add(period.start, dataset.keep) < period.end:
            words = f"the broker removes each extract of {name} {dataset.keep} after its receipt"
            yield Place(f"datasets/{name}/keep", f"{words}, while the agreement runs until {period.end}")


def _kept_less_than_cadence(case: Case) -> Iterator[Place]:
    start: date = case.agreement.period.start
    for name, dataset in case.agreement.datasets.items():
        if add(start, dataset.keep) < add(start, dataset.every):
            words = f"{name} is pushed every {dataset.every} and kept for {dataset.keep}"
            yield Place(f"datasets/{name}/keep", f"{words}: between two pushes nothing of it is left to ask")


def _grace_long(case: Case) -> Iterator[Place]:
    grace, end = case.agreement.obligations.grace, case.agreement.period.end
    if grace is not None and add(end, grace) > add(end, LONGEST_GRACE):
        yield Place("obligations/grace", f"data is kept for {grace} after the end before it is purged")


RULES = (
    Rule(
        "agreement_ended",
        "error",
        "The agreement has ended.",
        "The broker takes and answers nothing outside the period",
        "Write a new version with a new period, for all to sign.",
        _ended,
    ),
    Rule(
        "review_past",
        "error",
        "The review is past.",
        f"{CODE}; the broker takes and answers nothing after it",
        "Review it, and sign a version with a new date.",
        _review_past,
    ),
    Rule(
        "review_far",
        "warning",
        "The review is more than two years after the start.",
        CODE,
        "Take an earlier date.",
        _review_far,
    ),
    Rule(
        "impact_assessment_review_past",
        "warning",
        "The review of the impact assessment is past.",
        "UK GDPR art. 35(11) (remembered, not read)",
        "Review the assessment, and give its new date.",
        _dpia_review_past,
    ),
    Rule(
        "impact_assessment_late",
        "warning",
        "The impact assessment was completed after the processing began.",
        "UK GDPR art. 35(1): prior to the processing (remembered, not read)",
        "Complete the assessment before the agreement starts.",
        _dpia_late,
    ),
    Rule(
        "kept_beyond_the_agreement",
        "note",
        "A dataset may be kept longer than the agreement runs.",
        "UK GDPR art. 5(1)(e) (remembered, not read)",
        "Keep it no longer than its purpose needs.",
        _kept_long,
    ),
    Rule(
        "removed_before_the_end",
        "note",
        "Records are removed for their age before the agreement ends.",
        "UK GDPR art. 5(1)(e) (remembered, not read); how the broker removes them: docs/privacy-model.md",
        "Nothing, where that is meant; else take a longer `keep`: what was removed does not come back.",
        _kept_short,
    ),
    Rule(
        "kept_less_than_its_cadence",
        "warning",
        "A dataset is kept for less time than lies between two pushes.",
        "How the broker removes records: docs/privacy-model.md",
        "Keep it at least as long as its `every`, or push it more often.",
        _kept_less_than_cadence,
    ),
    Rule(
        "grace_long",
        "warning",
        "Data is kept for more than a year after the end.",
        "UK GDPR art. 5(1)(e) (remembered, not read)",
        "Take a shorter `obligations.grace`: what the parties need to settle the end, mostly a month or three.",
        _grace_long,
    ),
)
