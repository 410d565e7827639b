"""Every rule has a document that breaks it and nothing else, and one that breaks none."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import agreements
from schemas import agreement as documents
from schemas import artefacts
from schemas.errors import DocumentError
from schemas.fit import misfits
from schemas.law import catalogue, disclosures
from schemas.law.finding import Finding, Rule
from schemas.law.gateways import KINDS

TODAY = date(2026, 11, 24)
BASE: Any = documents.load(agreements.path("cardiff-minimal").read_bytes())
for _dataset in BASE["datasets"].values():
    _dataset["keep"] = "P2Y"  # as long as the agreement runs, so that nothing is to go before its end
LIBRARY = artefacts.Library(artefacts.load())
PAGE = Path(__file__).resolve().parents[3] / "docs" / "check-rules.md"

DISCLOSURE_RULES = {rule.id for rule in disclosures.RULES}

Edit = Callable[[dict[str, Any]], None]


def found(edit: Edit = lambda _: None, today: date = TODAY) -> list[Finding]:
    value = copy.deepcopy(BASE)
    edit(value)
    agreement = documents.parse(value)
    assert not misfits(agreement, LIBRARY), "a broken rule of law is no broken document"
    return catalogue.findings(agreement, LIBRARY, today)


def without(path: str) -> Edit:
    """Take a clause out."""

    def edit(value: dict[str, Any]) -> None:
        *steps, last = path.split("/")
        at: Any = value
        for step in steps:
            at = at[int(step) if isinstance(at, list) else step]
        del at[last]

    return edit


def put(path: str, new: Any) -> Edit:
    """Put a value into its place."""

    def edit(value: dict[str, Any]) -> None:
        *steps, last = path.split("/")
        at: Any = value
        for step in steps:
            at = at[int(step) if isinstance(at, list) else step]
        at[int(last) if isinstance(at, list) else last] = copy.deepcopy(new)

    return edit


def both(*edits: Edit) -> Edit:
    def edit(value: dict[str, Any]) -> None:
        for one in edits:
            one(value)

    return edit


def another_party(party: str, **fields: Any) -> Edit:
    def edit(value: dict[str, Any]) -> None:
        value["parties"].append(
            copy.deepcopy(value["parties"][1]) | {"id": party, "name": party, "key": f"{party:x>43}"} | fields
        )

    return edit


def street_crime(supplier: str = "south-wales-police", to: str | None = "cardiff-ed", **fields: Any) -> Edit:
    """Add a dataset of records and, where it goes to somebody, a grant of it."""

    def edit(value: dict[str, Any]) -> None:
        value["datasets"]["street-crime"] = {
            "schema": "street-crime/v1", "supplier": supplier, "every": "P1M", "keep": "P2Y",
            "bounds": {"per_person": 1}, "privacy_unit": "record",
        } | fields  # fmt: skip
        if to is not None:
            grant = {"to": [to], "for": ["violence-prevention"], "dataset": "street-crime", "measure": {"count": True}}
            value["grants"].append(grant)

    return edit


def attendances(supplier: str = "cardiff-ed", to: str = "south-wales-police", **fields: Any) -> Edit:
    """Add the attendances of a department row by row, without pseudonyms, and a grant of them."""

    def edit(value: dict[str, Any]) -> None:
        value["datasets"]["attendances"] = {
            "schema": "ed-attendances/v1", "supplier": supplier, "every": "P1M", "keep": "P2Y",
            "bounds": {"per_person": 1}, "privacy_unit": "record",
        } | fields  # fmt: skip
        grant = {"to": [to], "for": ["violence-prevention"], "dataset": "attendances", "measure": {"count": True}}
        value["grants"].append(grant)

    return edit


LEGAL = "purposes/violence-prevention/legal"
OWN = "purposes/violence-prevention/legal_of"
UNDER_PART_3 = {"article_6": "e", "part_3": True, "gateway": ["cda-1998-s115"]}
ED, POLICE = "datasets/ed-assaults", "datasets/police-violence"
HELD = "legal/information_governance"

BREAKS: dict[str, Edit] = {
    # powers to disclose
    "patient_information_refused": both(
        put(f"{ED}/gateway", ["pcsc-2022-s16"]), put(f"{ED}/data_classes", ["patient-information"])
    ),
    "health_authority_refused": street_crime(
        "cardiff-ed", "south-wales-police", gateway=["pcsc-2022-s16"], data_classes=["personal"]
    ),
    "disclosure_refused": put(f"{POLICE}/gateway", ["pcsc-2022-s17"]),
    "disclosure_not_covered": both(
        another_party("schools", kind="education", capacity="educational-authority"),
        street_crime("schools", gateway=["cda-1998-s17a"]),
    ),
    "condition_unmet": both(
        put("parties/0/capacity", "specified-authority"),
        put("parties/1/capacity", "specified-authority"),
        put("parties/1/kind", "local-authority"),
        put(f"{POLICE}/gateway", ["pcsc-2022-s16"]),
    ),
    "gateway_missing": without(f"{LEGAL}/gateway"),
    "gateway_unknown": put(f"{LEGAL}/gateway", ["cda-1998-s115", "made-up"]),
    # lawful bases
    "special_category_without_article_9": without(f"{LEGAL}/article_9"),
    "criminal_offence_without_article_10": without(f"{LEGAL}/article_10"),
    "part_3_condition_missing": put(OWN, {"south-wales-police": UNDER_PART_3}),
    "data_class_left_out": put(f"{POLICE}/data_classes", ["personal", "criminal-offence"]),
    "pseudonymised_called_depersonalised": put(
        f"{POLICE}/data_classes", ["depersonalised", "personal", "special-category", "criminal-offence"]
    ),
    "article_9_without_schedule_1": put(f"{LEGAL}/schedule_1", "2"),
    "schedule_1_not_in_table": put(f"{LEGAL}/schedule_1", "6 and 36"),
    "policy_document_missing": without("legal/apd"),
    "law_not_laid_down": without(f"{LEGAL}/article_6_law"),
    "legitimate_interests_of_authority": both(put(f"{LEGAL}/article_6", "f"), without(f"{LEGAL}/article_6_law")),
    "part_3_not_competent": put(OWN, {"cardiff-ed": UNDER_PART_3 | {"part_3_condition": "Schedule 8 paragraph 1"}}),
    # confidence and health
    "confidentiality_missing": without("purposes/violence-prevention/confidentiality"),
    "opt_out_missing": without("purposes/violence-prevention/opt_out"),
    "opt_out_contradicts": put("purposes/violence-prevention/opt_out/handling", "not-health-data"),
    "caldicott_guardian_missing": without("parties/0/caldicott_guardian"),
    # parties
    "partnership_not_an_authority": another_party("vrp", kind="partnership", capacity="specified-authority"),
    "capacity_unfit": put("parties/1/capacity", "local-policing-body"),
    "capacity_missing": without("parties/1/capacity"),
    "controller_status_missing": without("parties/2/controller_status"),
    "data_protection_officer_missing": without("parties/1/dpo"),
    "risk_owner_missing": without("parties/1/siro"),
    "signatory_missing": both(without("legal/signatories"), without("parties/1/signatory")),
    # contents
    "necessity_missing": without("purposes/violence-prevention/necessity"),
    "benefit_missing": without("purposes/violence-prevention/benefit"),
    "impact_assessment_missing": without("legal/dpia"),
    "transparency_missing": without("legal/transparency"),
    "rights_contact_missing": without("legal/rights_contact"),
    "rights_missing": without("legal/rights"),
    "accuracy_missing": without(f"{HELD}/accuracy"),
    "retention_missing": without(f"{HELD}/retention"),
    "security_missing": without(f"{HELD}/security"),
    "breach_missing": without(f"{HELD}/breach"),
    "breach_notice_missing": without("obligations/breach_notice"),
    "onward_sharing_missing": without(f"{HELD}/onward_sharing"),
    "reidentification_missing": without(f"{HELD}/reidentification"),
    "review_missing": without("legal/review"),
    "termination_missing": without("legal/termination"),
    "grace_missing": without("obligations/grace"),
    "log_review_missing": without("obligations/review_log_every"),
    # dates
    "agreement_ended": both(
        put("period", {"start": "2026-04-01", "end": "2026-10-31", "review_by": "2026-09-30"}),
        put(f"{ED}/keep", "P7M"),
        put(f"{POLICE}/keep", "P7M"),
    ),
    "review_past": put("period/review_by", "2026-11-23"),
    "review_far": both(
        put("period", {"start": "2026-04-01", "end": "2028-06-30", "review_by": "2028-04-02"}),
        put("privacy/lifetime/epsilon", "16"),
        put(f"{ED}/keep", "P2Y3M"),
        put(f"{POLICE}/keep", "P2Y3M"),
    ),
    "impact_assessment_review_past": put("legal/dpia/review", "2026-11-23"),
    "impact_assessment_late": put("legal/dpia/done", "2026-04-02"),
    "kept_beyond_the_agreement": put(f"{ED}/keep", "P3Y"),
    "removed_before_the_end": put(f"{ED}/keep", "P1Y"),
    "kept_less_than_its_cadence": put(f"{ED}/every", "P2Y1D"),
    "grace_long": put("obligations/grace", "P13M"),
    # grants
    "grant_wider_than_dataset": both(
        put("purposes/licensing", BASE["purposes"]["violence-prevention"] | {"parent": "violence-prevention"}),
        put(f"{POLICE}/purposes", ["licensing"]),
    ),
    "grant_without_share": without("privacy/shares/cardiff-ed"),
    "share_without_grant": put("privacy/shares", {"south-wales-police": "0.6", "cardiff-ed": "0.3", "operator": "0.1"}),
    "grant_measures_nothing": put("grants/2/measure", {}),
    "link_one_sided": put("grants/1/link", []),
    "processor_receives": both(
        put("grants/2/to", ["cardiff-ed", "operator"]),
        put("privacy/shares", {"south-wales-police": "0.6", "cardiff-ed": "0.3", "operator": "0.1"}),
    ),
    "dataset_without_grant": street_crime(to=None),
    # privacy budget
    "epsilon_above_ceiling": both(
        put("privacy/budget/epsilon", "10.1"), put("privacy/budget/every", "P1Y"), put("privacy/lifetime/epsilon", "30")
    ),
    "lifetime_above_ceiling": put("privacy/lifetime/epsilon", "40.1"),
    "delta_above_ceiling": put("privacy/budget/delta_selection", "1e-6"),
    "lifetime_below_period": put("privacy/lifetime/epsilon", "3.9"),
    "periods_exceed_lifetime": put("privacy/lifetime/epsilon", "12"),
    "bound_of_records": street_crime(bounds={"per_person": 2}),
    "bound_large": put(f"{POLICE}/bounds/per_person", 21),
}


def test_the_base_document_breaks_no_rule() -> None:
    assert found() == []


def test_every_rule_has_a_document_that_breaks_it() -> None:
    assert list(BREAKS) == [rule.id for rule in catalogue.RULES]


@pytest.mark.parametrize("rule", catalogue.RULES, ids=lambda rule: rule.id)
def test_one_edit_breaks_exactly_one_rule(rule: Rule) -> None:
    findings = found(BREAKS[rule.id])
    assert {finding.rule for finding in findings} == {rule.id}
    for finding in findings:
        assert finding.severity == rule.severity
        assert finding.mend == rule.mend
        assert finding.source
        assert finding.words


# --- what a finding says


def test_an_ed_by_section_16_alone_is_refused_with_both_subsections() -> None:
    findings = found(put(f"{ED}/gateway", ["pcsc-2022-s16"]))
    assert {finding.rule for finding in findings} == {"patient_information_refused", "health_authority_refused"}
    for rule, subsection in (("patient_information_refused", "16(4)(a)"), ("health_authority_refused", "16(4)(b)")):
        first = next(finding for finding in findings if finding.rule == rule)
        assert first.path == "datasets/ed-assaults/gateway"
        assert f"s.{subsection}: " in first.words
        assert f"s.{subsection}; https://www.legislation.gov.uk/ukpga/2022/32/section/16" in first.source


def test_a_second_gateway_that_covers_it_mends_it() -> None:
    assert found(put(f"{ED}/gateway", ["pcsc-2022-s16", "cda-1998-s115"])) == []


def test_a_trust_that_no_statute_names_discloses_nothing_by_section_16_and_something_by_115() -> None:
    records = street_crime("trust", gateway=["pcsc-2022-s16"], data_classes=["depersonalised"])
    trust = another_party("trust", kind="health", capacity="none", caldicott_guardian={"post": "Caldicott Guardian"})
    refused = found(both(trust, records))
    assert [finding.rule for finding in refused] == ["health_authority_refused"]
    assert "s.16(2): trust says by its capacity" in refused[0].words
    assert found(both(trust, records, put("datasets/street-crime/gateway", ["cda-1998-s115"]))) == []


# --- rows without pseudonyms are about patients too


def told(edit: Edit) -> set[tuple[str, str]]:
    return {(finding.rule, finding.path) for finding in found(edit)}


@pytest.mark.parametrize("kind", ["health", "local-authority", "other", "fire"])
def test_rows_of_an_ed_are_patient_information_to_section_16_whoever_supplies_them(kind: str) -> None:
    """The columns say so: neither the lack of a pseudonym nor the supplier's kind makes the rows depersonalised."""
    supplied = both(put("parties/0/kind", kind), without("parties/0/capacity"))
    refused = told(both(supplied, attendances(gateway=["pcsc-2022-s16"])))
    assert ("patient_information_refused", "datasets/attendances/gateway") in refused


def only_attendances(value: dict[str, Any]) -> None:
    attendances()(value)
    value["datasets"] = {"attendances": value["datasets"]["attendances"]}
    value["grants"] = value["grants"][-1:]
    value["privacy"]["shares"] = {"south-wales-police": "1"}


def test_rows_of_an_ed_want_article_9_confidentiality_and_a_word_on_opt_outs() -> None:
    bare = both(
        only_attendances,
        without(f"{LEGAL}/article_9"),
        without("purposes/violence-prevention/confidentiality"),
        without("purposes/violence-prevention/opt_out"),
    )
    rules = {rule for rule, _ in told(bare)}
    assert rules >= {"special_category_without_article_9", "confidentiality_missing", "opt_out_missing"}
    assert found(only_attendances) == []


@pytest.mark.parametrize("kind", ["health", "ambulance", "social-care"])
def test_rows_of_a_body_that_cares_are_patients_unless_it_says_otherwise(kind: str) -> None:
    supplied = both(put("parties/0/kind", kind), without("parties/0/capacity"))
    plain = street_crime("cardiff-ed", "south-wales-police", gateway=["pcsc-2022-s16"])
    place = "datasets/street-crime/gateway"
    assert ("patient_information_refused", place) in told(both(supplied, plain))
    said = both(supplied, plain, put("datasets/street-crime/data_classes", ["depersonalised"]))
    assert ("patient_information_refused", place) not in told(said)


def test_a_dataset_cannot_call_rows_of_an_ed_depersonalised() -> None:
    edit = attendances(gateway=["pcsc-2022-s16"], data_classes=["depersonalised"])
    assert told(edit) == {
        ("data_class_left_out", "datasets/attendances/data_classes"),
        ("patient_information_refused", "datasets/attendances/gateway"),
        ("health_authority_refused", "datasets/attendances/gateway"),
    }


def test_street_crime_and_deliberate_fires_stay_depersonalised() -> None:
    fires: dict[str, Any] = {"schema": "deliberate-fires/v1", "purposes": ["violence-prevention"]}
    crime: dict[str, Any] = {}
    for fields in (crime, fires):
        by_17a = street_crime(gateway=["cda-1998-s17a"], **fields)
        assert found(by_17a) == []
        brigade = another_party("brigade", kind="fire", capacity="relevant-authority")
        assert found(both(brigade, street_crime("brigade", gateway=["cda-1998-s17a"], **fields))) == []


def test_what_section_17_supplies_is_used_by_the_policing_body_for_its_own_functions_alone() -> None:
    asked = both(
        another_party("commissioner", kind="local-policing-body", capacity="local-policing-body"),
        put("parties/1/capacity", "specified-authority"),
        street_crime("south-wales-police", "commissioner", gateway=["pcsc-2022-s17"]),
        put("privacy/shares", {"south-wales-police": "0.7", "cardiff-ed": "0.2", "commissioner": "0.1"}),
    )
    assert told(asked) == {("condition_unmet", "datasets/street-crime/gateway")}
    assert found(both(asked, put("legal/conditions", {"section-14-use": "to assist and to monitor, no more"}))) == []


def test_offences_that_columns_show_want_article_10_however_narrow_the_classes_are() -> None:
    narrow = both(without(f"{LEGAL}/article_10"), put(f"{POLICE}/data_classes", ["personal", "special-category"]))
    assert told(narrow) == {
        ("criminal_offence_without_article_10", f"{LEGAL}/article_10"),
        ("data_class_left_out", f"{POLICE}/data_classes"),
    }
    as_patients = put(f"{POLICE}/data_classes", ["personal", "patient-information"])
    assert ("data_class_left_out", f"{POLICE}/data_classes") in told(as_patients)


# --- who takes part, and in which capacity


def test_a_company_that_processes_by_trade_and_receives_for_itself_is_a_recipient() -> None:
    company = another_party("acme", kind="processor", role="recipient", capacity="none")
    shares = {"south-wales-police": "0.6", "cardiff-ed": "0.3", "acme": "0.1"}
    granted = both(company, put("grants/2/to", ["cardiff-ed", "acme"]), put("privacy/shares", shares))
    assert told(granted) == {("processor_receives", "grants/2/to/1"), ("disclosure_refused", f"{LEGAL}/gateway")}


def test_section_16_is_closed_to_a_capacity_of_the_act_of_1998_and_open_to_its_own() -> None:
    by_16 = put(f"{POLICE}/gateway", ["pcsc-2022-s16"])
    refused = found(by_16)
    assert {finding.rule for finding in refused} == {"disclosure_refused"}
    assert "takes part as relevant-authority" in refused[0].words
    own = [put(f"parties/{index}/capacity", "specified-authority") for index in (0, 1)]
    assert found(both(by_16, *own)) == []
    assert found(both(own[0], by_16)) != []
    unsaid = both(by_16, without("parties/0/capacity"), without("parties/1/capacity"))
    assert {finding.rule for finding in found(unsaid)} == {"capacity_missing"}


# --- what says nothing is not said


@pytest.mark.parametrize("nothing", ["-", "None.", "n/a", "N/A", "not applicable", "...", "TBC"])
@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("legal/apd", "policy_document_missing"),
        (f"{LEGAL}/article_10", "criminal_offence_without_article_10"),
        (f"{LEGAL}/article_6_law", "law_not_laid_down"),
        ("purposes/violence-prevention/confidentiality/words", "confidentiality_missing"),
        ("purposes/violence-prevention/opt_out/words", "opt_out_missing"),
        ("purposes/violence-prevention/benefit", "benefit_missing"),
        ("parties/0/caldicott_guardian/post", "caldicott_guardian_missing"),
        ("parties/1/dpo/post", "data_protection_officer_missing"),
        ("legal/dpia", "impact_assessment_missing"),
        (f"{HELD}/breach", "breach_missing"),
    ],
)
def test_a_word_for_nothing_is_no_statement(nothing: str, path: str, rule: str) -> None:
    assert {finding.rule for finding in found(put(path, nothing))} == {rule}


def test_a_condition_of_part_3_that_says_nothing_is_none() -> None:
    basis = {"south-wales-police": UNDER_PART_3 | {"part_3_condition": "-"}}
    assert {finding.rule for finding in found(put(OWN, basis))} == {"part_3_condition_missing"}


@pytest.mark.parametrize("blank", ["", " ", "\t\n", "\u00a0"])
def test_a_blank_text_is_no_document(blank: str) -> None:
    with pytest.raises(DocumentError):
        found(put("legal/apd", blank))


def test_the_policy_document_of_a_paragraph_that_article_10_alone_rests_on_is_asked_for() -> None:
    health = both(put(f"{LEGAL}/article_9", "h"), put(f"{LEGAL}/schedule_1", "2"))
    assert found(health) == []
    missing = found(both(health, without("legal/apd")))
    assert {finding.rule for finding in missing} == {"policy_document_missing"}
    assert "paragraph 6" in missing[0].words
    other = put(f"{LEGAL}/article_10", "DPA 2018 s.10(5) and Schedule 1 paragraph 36")
    assert told(both(health, other)) == {("schedule_1_not_in_table", f"{LEGAL}/article_10")}


def test_legitimate_interests_stay_open_to_a_body_that_is_no_public_authority() -> None:
    own = BASE["purposes"]["violence-prevention"]["legal"] | {"article_6": "f"}
    rule = "legitimate_interests_of_authority"
    basis = put(OWN, {"cardiff-ed": own})
    assert (rule, f"{OWN}/cardiff-ed/article_6") in told(basis)
    charity = both(put("parties/0/kind", "other"), put("parties/0/capacity", "none"), basis)
    assert rule not in {held for held, _ in told(charity)}


def test_a_grace_of_a_year_is_within() -> None:
    assert found(put("obligations/grace", "P1Y")) == []


def test_a_basis_of_a_partys_own_is_the_one_that_is_read() -> None:
    own = copy.deepcopy(BASE["purposes"]["violence-prevention"]["legal"])
    del own["article_9"]
    findings = found(put(OWN, {"cardiff-ed": own}))
    assert [finding.path for finding in findings] == [f"{OWN}/cardiff-ed/article_9"]
    assert "ed-assaults (arrival_mode, disposal, ethnicity, location, method)" in findings[0].words


def test_a_narrower_purpose_takes_confidentiality_from_its_wider_one_and_its_basis_from_nobody() -> None:
    def narrowed(value: dict[str, Any]) -> None:
        wide = value["purposes"]["violence-prevention"]
        narrow = {name: part for name, part in wide.items() if name not in ("confidentiality", "opt_out")}
        value["purposes"]["licensing"] = narrow | {"parent": "violence-prevention", "legal": {"article_6": "e"}}

    rules = {finding.rule for finding in found(narrowed)}
    assert "confidentiality_missing" not in rules
    assert {"gateway_missing", "special_category_without_article_9", "law_not_laid_down"} <= rules


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Cardiff Violence Reduction Partnership", True),
        ("South Wales VRU", True),
        ("Community Safety Partnership", True),
        ("South Wales Police, for the Violence Reduction Partnership", False),
        ("South Wales Police", False),
        ("Wales Violence Prevention Unit", True),
        ("Wales Violence Prevention Partnership", True),
        ("Violence Reduction Partnerships", True),
        ("Avon and Somerset Violence Reduction Partnership Board", True),
        ("Violence Reduction Unit hosted by the trust", True),
        ("Serious Violence Partnership", True),
        ("Serious Violence Duty Board", True),
        ("Cardiff and Vale University Health Board", False),
        ("Leeds Teaching Hospitals NHS Trust", False),
        ("Velindre University NHS Trust, for the Violence Prevention Unit", False),
        ("Swansea Bay University Health Board, for the Violence Prevention Unit", False),
        ("Bristol Safeguarding Board", False),
    ],
)
def test_a_partnership_is_told_by_its_name_too(name: str, told: bool) -> None:
    rules = [finding.rule for finding in found(put("parties/1/name", name))]
    assert rules == (["partnership_not_an_authority"] if told else [])


def test_a_partnership_that_takes_part_is_told_whatever_its_capacity() -> None:
    edit = both(put("parties/1/kind", "partnership"), put("parties/1/capacity", "none"))
    told = [finding for finding in found(edit) if finding.rule == "partnership_not_an_authority"]
    assert [finding.path for finding in told] == ["parties/1/kind"]


def test_the_last_day_of_review_and_of_the_agreement_are_within() -> None:
    assert found(put("period/review_by", TODAY.isoformat())) == []
    last = put("period", {"start": "2026-04-01", "end": "2026-11-24", "review_by": "2026-11-24"})
    kept = both(last, put(f"{ED}/keep", "P7M24D"), put(f"{POLICE}/keep", "P7M24D"))
    assert found(kept) == []
    assert {finding.rule for finding in found(kept, date(2026, 11, 25))} == {"agreement_ended"}


def test_findings_come_the_gravest_first_and_the_same_every_time() -> None:
    edit = both(without("legal/rights"), without(f"{LEGAL}/article_9"), without(f"{LEGAL}/article_6_law"))
    findings = found(edit)
    assert [finding.severity for finding in findings] == ["error", "warning", "note"]
    assert found(edit) == findings


def clauses(value: Any, path: str = "") -> list[str]:
    """Every place of a document."""
    if not isinstance(value, dict | list):
        return []
    parts = value.items() if isinstance(value, dict) else ((str(index), part) for index, part in enumerate(value))
    made = []
    for name, part in parts:
        here = f"{path}/{name}".lstrip("/")
        made += [here, *clauses(part, here)]
    return made


def test_whatever_clause_is_taken_out_the_check_ends_and_names_places() -> None:
    """The check is total: a document that can be read is checked, however little it says."""
    tried = 0
    for path in clauses(BASE):
        if path.startswith("pins"):
            continue
        value = copy.deepcopy(BASE)
        try:
            without(path)(value)
            agreement = documents.parse(value)
        except (TypeError, DocumentError):
            continue
        tried += 1
        for finding in catalogue.findings(agreement, LIBRARY, TODAY):
            assert finding.path.split("/")[0] in type(agreement).model_fields
    assert tried > 80


# --- the catalogue


def test_ids_are_different_and_of_one_form() -> None:
    ids = [rule.id for rule in catalogue.RULES]
    assert len(set(ids)) == len(ids)
    assert all(name.replace("_", "").isalnum() and name == name.lower() for name in ids)


def test_every_rule_says_where_it_comes_from_and_what_to_do() -> None:
    for rule in catalogue.RULES:
        assert rule.source
        assert rule.says.endswith(".")
        assert rule.mend.endswith(".")
        assert "|" not in rule.says + rule.source + rule.mend, "the page is a table"


def test_the_page_is_the_catalogue() -> None:
    assert PAGE.read_text(encoding="utf-8") == catalogue.page()


def test_the_page_says_plainly_what_it_is_not() -> None:
    assert "not legal advice" in catalogue.page()


# --- what holds of every agreement


@pytest.mark.parametrize("name", agreements.names())
@pytest.mark.parametrize("part", ["parties", "grants"])
def test_the_order_of_clauses_changes_no_finding(name: str, part: str) -> None:
    def said(value: Any) -> set[tuple[str, str]]:
        made = catalogue.findings(documents.parse(value), LIBRARY, TODAY)
        return {(finding.rule, finding.words) for finding in made}

    value = documents.load(agreements.path(name).read_bytes())
    for party in value["parties"]:
        del party["signatory"]
    del value["legal"]["signatories"], value["legal"]["apd"]
    turned = value | {part: value[part][::-1]}
    assert said(value) == said(turned) != set()


@given(
    supplier=st.sampled_from(KINDS),
    recipient=st.sampled_from(KINDS),
    gateways=st.lists(st.sampled_from(sorted(LIBRARY.gateways().gateways)), min_size=1, max_size=3, unique=True),
    more=st.sampled_from(sorted(LIBRARY.gateways().gateways)),
)
def test_one_more_gateway_never_takes_a_cover_away(
    supplier: str, recipient: str, gateways: list[str], more: str
) -> None:
    def uncovered(named: list[str]) -> bool:
        edit = both(
            put("parties/0/kind", supplier),
            put("parties/1/kind", recipient),
            put("datasets/ed-assaults/gateway", named),
            put("grants", [BASE["grants"][0] | {"link": []}]),
        )
        return any(finding.rule in DISCLOSURE_RULES for finding in found(edit))

    assert uncovered(gateways) or not uncovered([*gateways, more])
