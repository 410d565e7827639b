"""Rules about lawful bases: UK GDPR articles 6, 9 and 10, DPA 2018 Schedule 1 and Part 3."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from schemas.clauses.datasets import DataClass
from schemas.clauses.purposes import PurposeLegal
from schemas.law.bases import paragraphs, paragraphs_cited
from schemas.law.case import SPECIAL, Case, names_class
from schemas.law.finding import Place, Rule
from schemas.law.statements import says

REMEMBERED = "(remembered, not read)"


def _bases(case: Case) -> Iterator[tuple[str, PurposeLegal]]:
    """Yield each basis of the document and where it stands."""
    for name, purpose in case.agreement.purposes.items():
        yield f"purposes/{name}/legal", purpose.legal
        for party, own in purpose.legal_of.items():
            yield f"purposes/{name}/legal_of/{party}", own


def _lacking(case: Case, classes: frozenset[DataClass]) -> Iterator[tuple[str, PurposeLegal, str]]:
    """Yield each basis that is used for data of these classes, and the datasets with the columns that show it."""
    used: defaultdict[str, set[str]] = defaultdict(set)
    bases: dict[str, PurposeLegal] = {}
    for use in case.uses:
        if classes & set(case.classes(use.dataset)):
            columns = sorted(column for column, held in case.shown(use.dataset).items() if held in classes)
            used[use.path].add(f"{use.dataset} ({', '.join(columns)})" if columns else use.dataset)
            bases[use.path] = use.basis
    for path, datasets in used.items():
        yield path, bases[path], ", ".join(sorted(datasets))


def _without_article_9(case: Case) -> Iterator[Place]:
    for path, basis, datasets in _lacking(case, SPECIAL):
        if basis.article_9 is None and not basis.part_3:
            yield Place(f"{path}/article_9", f"no condition of article 9(2) for special-category data in {datasets}")


def _without_article_10(case: Case) -> Iterator[Place]:
    for path, basis, datasets in _lacking(case, frozenset({"criminal-offence"})):
        if not says(basis.article_10) and not basis.part_3:
            yield Place(f"{path}/article_10", f"no authority for data on offences in {datasets}")


def _sensitive_under_part_3(case: Case) -> Iterator[Place]:
    for path, basis, datasets in _lacking(case, SPECIAL):
        if basis.part_3 and not says(basis.part_3_condition):
            yield Place(f"{path}/part_3_condition", f"no condition for sensitive processing of {datasets}")


def _class_left_out(case: Case) -> Iterator[Place]:
    for name, dataset in case.agreement.datasets.items():
        for column, shown in case.shown(name).items():
            if dataset.data_classes and not names_class(dataset.data_classes, shown):
                yield Place(
                    f"datasets/{name}/data_classes", f"the column {column} is {shown} data, and it is not named"
                )


def _persons_depersonalised(case: Case) -> Iterator[Place]:
    for name, dataset in case.agreement.datasets.items():
        if dataset.privacy_unit == "person" and "depersonalised" in dataset.data_classes:
            yield Place(f"datasets/{name}/data_classes", f"{name} has a row a person, under pseudonyms")


def _without_schedule_1(case: Case) -> Iterator[Place]:
    for path, basis in _bases(case):
        if basis.article_9 is None:
            continue
        carrying = set(case.table.bases.article_9[basis.article_9].schedule_1)
        said = set(paragraphs(basis.schedule_1))
        unknown = said - set(case.table.bases.schedule_1)
        if carrying and not said & carrying and not unknown:
            words = f"article 9(2)({basis.article_9}) rests on one of paragraphs {', '.join(sorted(carrying))}"
            yield Place(f"{path}/schedule_1", f"{words} of DPA 2018 Schedule 1; none of them is named")


def _unknown_paragraph(case: Case) -> Iterator[Place]:
    for path, basis in _bases(case):
        unknown = [held for held in paragraphs(basis.schedule_1) if held not in case.table.bases.schedule_1]
        if unknown or (basis.schedule_1 is not None and not paragraphs(basis.schedule_1)):
            known = ", ".join(case.table.bases.schedule_1)
            yield Place(f"{path}/schedule_1", f"the table knows only paragraphs {known}, so nobody checked this one")
        more = [held for held in paragraphs_cited(basis.article_10) if held not in case.table.bases.schedule_1]
        if more:
            words = f"the table does not know paragraph {', '.join(more)}, so nobody checked it"
            yield Place(f"{path}/article_10", words)


def _without_policy_document(case: Case) -> Iterator[Place]:
    if case.holds("legal/apd"):
        return
    needing = [
        f"{path} (paragraph {held})"
        for path, basis in _bases(case)
        for held in dict.fromkeys((*paragraphs(basis.schedule_1), *paragraphs_cited(basis.article_10)))
        if held in case.table.bases.schedule_1 and case.table.bases.schedule_1[held].policy_document
    ]
    needing += [f"{path} (Part 3)" for path, basis in _bases(case) if basis.part_3 and says(basis.part_3_condition)]
    if needing:
        yield Place("legal/apd", f"no appropriate policy document is named for {', '.join(needing)}")


def _law_not_laid_down(case: Case) -> Iterator[Place]:
    for path, basis in _bases(case):
        point = case.table.bases.article_6[basis.article_6]
        if point.law_laid_down and not says(basis.article_6_law) and not basis.part_3:
            yield Place(f"{path}/article_6_law", f"article 6(1)({basis.article_6}) without the law that lays it down")


def _closed_point(case: Case) -> Iterator[Place]:
    relied: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for use in case.uses:
        closed = case.table.bases.article_6[use.basis.article_6].closed_to
        if case.party(use.party).kind in closed and not use.basis.part_3:
            relied[use.path, use.basis.article_6].add(use.party)
    for (path, point), parties in relied.items():
        words = f"article 6(1)({point}) is not open to a public authority in its tasks: {', '.join(sorted(parties))}"
        yield Place(f"{path}/article_6", words)


def _not_competent(case: Case) -> Iterator[Place]:
    claimed: defaultdict[str, set[str]] = defaultdict(set)
    for use in case.uses:
        if use.basis.part_3 and case.party(use.party).kind not in case.table.bases.part_3.competent:
            claimed[use.path].add(use.party)
    for path, parties in claimed.items():
        words = f"{', '.join(sorted(parties))} relies on Part 3, and is of no kind that Schedule 7 names"
        yield Place(f"{path}/part_3", words)


RULES = (
    Rule(
        "special_category_without_article_9",
        "error",
        "Special-category data is used with no condition of UK GDPR article 9(2).",
        f"UK GDPR art. 9(1), (2) {REMEMBERED}",
        "Name the point of article 9(2) under the purpose's `legal`, or the party's `legal_of`.",
        _without_article_9,
    ),
    Rule(
        "criminal_offence_without_article_10",
        "error",
        "Data on offences is used with no authority.",
        f"UK GDPR art. 10 {REMEMBERED}; DPA 2018 ss.10(4), (5), 11(2) (read)",
        "Name the authority: DPA 2018 s.10(5) with the paragraph of Schedule 1, or Part 3 for a competent authority.",
        _without_article_10,
    ),
    Rule(
        "part_3_condition_missing",
        "error",
        "Sensitive processing under Part 3 names no condition of Schedule 8.",
        f"DPA 2018 s.35(3) to (5) (read) and Schedule 8 {REMEMBERED}",
        "Name the condition under `part_3_condition`.",
        _sensitive_under_part_3,
    ),
    Rule(
        "data_class_left_out",
        "error",
        "A dataset's classes leave out what one of its columns holds.",
        f"UK GDPR art. 9(1) {REMEMBERED}; the code lists that the gateway table names",
        "Add the class to the dataset's `data_classes`.",
        _class_left_out,
    ),
    Rule(
        "pseudonymised_called_depersonalised",
        "error",
        "Rows of persons under pseudonyms are called depersonalised.",
        f"UK GDPR art. 4(5) and recital 26: pseudonymised data is personal data {REMEMBERED}",
        "Call it personal, or supply tables in which nobody can be told.",
        _persons_depersonalised,
    ),
    Rule(
        "article_9_without_schedule_1",
        "error",
        "A condition of article 9 that rests on DPA 2018 Schedule 1 names no paragraph that carries it.",
        "DPA 2018 s.10(2), (3) and Schedule 1 Parts 1 and 2 (read)",
        "Name the paragraph under `schedule_1`.",
        _without_schedule_1,
    ),
    Rule(
        "schedule_1_not_in_table",
        "warning",
        "A paragraph of DPA 2018 Schedule 1 is not in the table, so what it asks for was not checked.",
        "The gateway table that the agreement pins",
        "Read the paragraph, and whether it needs an appropriate policy document.",
        _unknown_paragraph,
    ),
    Rule(
        "policy_document_missing",
        "error",
        "A condition needs an appropriate policy document and the agreement names none.",
        "DPA 2018 Schedule 1 paragraphs 1, 5 and 38, and ss.35(5), 42 for Part 3 (read)",
        "Say under `legal.apd` who keeps it and where it is shown.",
        _without_policy_document,
    ),
    Rule(
        "law_not_laid_down",
        "note",
        "A legal obligation or public task is relied on without the law that lays it down.",
        f"UK GDPR art. 6(3) {REMEMBERED}; DPA 2018 s.8 (read)",
        "Name the law under `article_6_law`.",
        _law_not_laid_down,
    ),
    Rule(
        "legitimate_interests_of_authority",
        "error",
        "A public authority relies on legitimate interests.",
        f"UK GDPR art. 6(1), second subparagraph {REMEMBERED}; DPA 2018 s.7 on who is a public authority (read)",
        "Name the point that fits the authority's task, mostly (e) or (c), with its law under `article_6_law`; or give "
        "the bodies that are none a basis of their own under `legal_of`.",
        _closed_point,
    ),
    Rule(
        "part_3_not_competent",
        "error",
        "A party that is no competent authority relies on law-enforcement processing.",
        "DPA 2018 s.30 (read) and Schedule 7 (paragraphs 1 to 16 read, the rest remembered)",
        "Give the party a basis of its own under `legal_of`. A body with statutory functions for a law enforcement "
        "purpose (s.30(1)(b)) has to take advice: this check knows kinds of body alone.",
        _not_competent,
    ),
)
