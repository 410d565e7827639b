"""Rules about what an agreement has to contain by the ICO's data sharing code, clause by clause."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from schemas.law.case import Case
from schemas.law.finding import Place, Rule

CODE = "ICO data sharing code of practice, on data sharing agreements (remembered, not read)"
FORM = "ICO data sharing code of practice, Annex B, data sharing request form (read)"
"""What the form asks for, read at https://ico.org.uk/for-organisations/uk-gdpr-guidance-and-resources/data-sharing/\
data-sharing-a-code-of-practice/annex-b-data-sharing-request-form-template/; of the code's own chapter on agreements
only the beginning could be read, which says what an agreement is good for and not what it holds."""


def _absent(path: str, words: str) -> Callable[[Case], Iterator[Place]]:
    """Return a rule that wants a statement at one place."""

    def find(case: Case) -> Iterator[Place]:
        if not case.holds(path):
            yield Place(path, words)

    return find


def _of_purposes(name: str, words: str) -> Callable[[Case], Iterator[Place]]:
    """Return a rule that wants a statement of every purpose."""

    def find(case: Case) -> Iterator[Place]:
        for purpose in case.agreement.purposes:
            if not case.holds(f"purposes/{purpose}/{name}"):
                yield Place(f"purposes/{purpose}/{name}", f"{purpose}: {words}")

    return find


def _wants(rule: str, path: str, words: str, mend: str, more: str = "", code: str = CODE) -> Rule:
    says = words[0].upper() + words[1:] + "."
    return Rule(rule, "warning", says, f"{code}{more}", mend, _absent(path, words))


_HELD = "legal/information_governance"

RULES = (
    Rule(
        "necessity_missing",
        "warning",
        "A purpose does not say why it cannot be done with less data.",
        f"{FORM}; UK GDPR art. 5(1)(c)",
        "Say it under the purpose's `necessity`.",
        _of_purposes("necessity", "nothing says why it cannot be done with less data"),
    ),
    Rule(
        "benefit_missing",
        "warning",
        "A purpose does not say who gains what.",
        CODE,
        "Say it under the purpose's `benefit`.",
        _of_purposes("benefit", "nothing says who gains what"),
    ),
    _wants(
        "impact_assessment_missing", "legal/dpia", "no data protection impact assessment is named",
        "Give its reference and dates under `legal.dpia`.", "; UK GDPR art. 35; DPA 2018 s.64", FORM,
    ),
    _wants(
        "transparency_missing", "legal/transparency", "nothing says how people are told",
        "Say under `legal.transparency` whose privacy notices name this agreement.", "; UK GDPR arts. 13, 14",
    ),
    _wants(
        "rights_contact_missing", "legal/rights_contact", "nothing says whom people turn to for their rights",
        "Name the post under `legal.rights_contact`.", "; UK GDPR arts. 12 to 22",
    ),
    _wants(
        "rights_missing", "legal/rights", "nothing says how each right is met",
        "Say under `legal.rights` how access, objection and erasure are met.", "; UK GDPR arts. 12 to 22", FORM,
    ),
    _wants(
        "accuracy_missing", f"{_HELD}/accuracy", "nothing says how errors are found and mended",
        f"Say it under `{_HELD}/accuracy`.", "; UK GDPR art. 5(1)(d)",
    ),
    _wants(
        "retention_missing", f"{_HELD}/retention", "nothing says how long data is kept and how it is destroyed",
        f"Say it under `{_HELD}/retention`.", "; UK GDPR art. 5(1)(e)", FORM,
    ),
    _wants(
        "security_missing", f"{_HELD}/security", "nothing says which measures protect the data",
        f"Say it under `{_HELD}/security`.", "; UK GDPR art. 32", FORM,
    ),
    _wants(
        "breach_missing", f"{_HELD}/breach", "nothing says what happens on a breach",
        f"Say under `{_HELD}/breach` who tells the ICO and the people.", "; UK GDPR arts. 33, 34",
    ),
    _wants(
        "breach_notice_missing", "obligations/breach_notice", "nothing says how soon the others are told of a breach",
        "Give a time under `obligations.breach_notice`.", "; UK GDPR art. 33",
    ),
    _wants(
        "onward_sharing_missing", f"{_HELD}/onward_sharing", "nothing says whether recipients may pass anything on",
        f"Say it under `{_HELD}/onward_sharing`.",
    ),
    _wants(
        "reidentification_missing", f"{_HELD}/reidentification", "nothing forbids finding out who a pseudonym is",
        f"Say it under `{_HELD}/reidentification`.", "; DPA 2018 s.171",
    ),
    _wants(
        "review_missing", "legal/review", "nothing says how the agreement is reviewed",
        "Say under `legal.review` who reviews it and how.",
    ),
    _wants(
        "termination_missing", "legal/termination", "nothing says how the agreement ends",
        "Say under `legal.termination` who ends it and what becomes of the data.",
    ),
    _wants(
        "grace_missing", "obligations/grace", "nothing says how long data is kept after the end",
        "Give a time under `obligations.grace`.",
    ),
    _wants(
        "log_review_missing", "obligations/review_log_every", "nothing says how often the log is signed off",
        "Give a time under `obligations.review_log_every`.", "; UK GDPR art. 5(2)",
    ),
)  # fmt: skip
