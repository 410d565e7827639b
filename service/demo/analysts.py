"""Two analysts ask a needs assessment's questions: the hub for the whole area, a council for its own."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from connectors import charts, release_table, render
from connectors.client import Client
from schemas.canonical import canonical
from service.demo import tables
from service.demo.cast import Cast
from service.demo.questions import Question, Questions
from service.demo.stage import Stage, refused

HUB, COUNCIL = "as-opcc", "bristol"
OWN_AREA = "E06000023"
MOST_ERROR = 0.15
_FORBIDDEN = 403

Release = Mapping[str, Any]


class Analysts:
    """What the analysts do, in order."""

    def __init__(self, stage: Stage, cast: Cast, questions: Questions) -> None:
        """Begin."""
        self._stage = stage
        self._agreement = cast.agreement
        self._hub = cast.client(HUB, "analyst")
        self._council = cast.client(COUNCIL, "analyst")
        self._questions = questions
        self._names = tables.councils()
        for folder in ("questions", "releases", "charts"):
            (stage.out / folder).mkdir()

    def assess(self) -> None:
        """Tell the whole of it."""
        before = self._budget()
        self._preview(before)
        first = self._council_by_month()
        self._repeat(first)
        self._who()
        self._what()
        self._when()
        self._linked()
        self._own_area()
        self._spent(before)
        self._not_granted()
        self._over_the_cap()

    def _preview(self, budget: Release) -> None:
        self._stage.step(
            "The hub previews a question",
            """Police offences by council and month, at 2% of the hub's share of the privacy budget. A preview
            reads no data and is free, so that analysts find the exactness they need before they pay for it.""",
        )
        found = self._hub.preview(self._agreement, self._questions.council_by_month())
        self._stage.show(render.preview_lines(found), render.budget_table(budget))
        self._stage.check("the preview charged nothing", holds=self._budget() == budget)

    def _council_by_month(self) -> Release:
        self._stage.step(
            "The hub asks it",
            """Every number comes with the error that its noise may have. A person counts for three rows at
            most, however many there are: the noise is measured by that, and it is why totals lie below the police's
            own.""",
        )
        release = self._ask("council-by-month", self._questions.council_by_month())
        shown = tables.named(release, self._names)
        self._stage.show(tables.crosstab("Offences by month and council", shown, ["month"]), render.guarantee(release))
        ratio = _median_error(release)
        said = f"median 95% half-width {ratio:.1%} of the value, under {MOST_ERROR:.0%}"
        self._stage.check(said, holds=ratio < MOST_ERROR)
        self._draw("council-by-month", shown)
        return release

    def _repeat(self, first: Release) -> None:
        self._stage.step(
            "The same question again, in other words",
            """Asked in another order and for another reason it is still the same question: the broker gives
            the answer that it gave, for nothing. Asking twice cannot average the noise away.""",
        )
        before = self._budget()
        again = self._ask("council-by-month-reordered", self._questions.council_by_month_reordered())
        same = again["repeat"] is True and _values(again) == _values(first)
        self._stage.check("the same numbers", holds=same)
        self._stage.check("nothing was charged", holds=self._budget() == before)

    def _who(self) -> None:
        self._stage.step(
            "Who is harmed, and who harms?",
            """Persons, not rows: somebody whom the police met forty times counts once in a group, and for three
            in all at most.""",
        )
        release = self._ask("age-and-sex", self._questions.age_and_sex())
        self._stage.show(tables.crosstab("Persons by role, age and sex", release, ["role", "age"]))

    def _what(self) -> None:
        self._stage.step(
            "Which offences, and how grave?",
            "Three measures of one question. Small groups are told to be too noisy rather than left out.",
        )
        release = self._ask("offence-groups", self._questions.offence_groups())
        self._stage.show(tables.listing("Rows, persons and mean gravity", release, ["offence group", "quarter"]))

    def _when(self) -> None:
        self._stage.step("When are knives used?", "Knife offences by part of the day, with error bars.")
        release = self._ask("part-of-day", self._questions.part_of_day())
        self._stage.show(
            tables.listing("Knife offences by time of day", release, ["hours"]), render.error_bars(release)
        )
        self._draw("part-of-day", release)

    def _linked(self) -> None:
        self._stage.step(
            "Whom do both the police and the emergency department know?",
            """A question across two agencies. The broker compares pseudonyms inside; neither agency, nor the
            hub, sees the other's records, and the answer is as protected as any.""",
        )
        both = self._ask("known-to-ed", self._questions.known_to_ed(has=True))
        police_alone = self._ask("not-known-to-ed", self._questions.known_to_ed(has=False))
        releases = {
            "known to the emergency department too": tables.named(both, self._names),
            "not known there": tables.named(police_alone, self._names),
        }
        self._stage.show(tables.side_by_side("Persons known to the police", "council", releases))

    def _own_area(self) -> None:
        self._stage.step(
            "A council asks for its own area",
            """Bristol's question names no area. Its grant does: the agreement lets Bristol see Bristol alone, and
            the broker adds that by itself.""",
        )
        release = self._ask("own-area", self._questions.own_area(), self._council)
        shown = tables.named(release, self._names)
        self._stage.show(tables.crosstab("Offences by month, asked by Bristol City Council", shown, ["month"]))
        seen = {row["keys"]["lad"] for row in release["rows"]}
        self._stage.check("Bristol saw Bristol alone", holds=seen == {OWN_AREA})

    def _spent(self, before: Release) -> None:
        self._stage.step(
            "What it cost",
            """The budget limits what all answers together tell of any one person: in the period, and ever. It is
            written into the agreement, and nobody can raise it without every party's signature.""",
        )
        after = self._budget()
        self._stage.show(render.budget_table(before, after))
        self._stage.check("the answers were charged", holds=after["spent"] != before["spent"])

    def _not_granted(self) -> None:
        self._stage.step(
            "A question that the agreement does not allow",
            """Bristol asks how many of its offences are about people whom the emergency department knows too. What no
            grant gives is refused; the broker names the clause that decides, and what it would allow instead.""",
        )
        before, question = self._budget(), self._questions.not_granted()
        problem = refused(lambda: self._council.ask(self._agreement, question), "a link that is not granted")
        decision = problem.decision or {}
        self._stage.show(
            render.plain(f"Refused with {problem.status} {problem.code}", "bold red"),
            *(render.plain(f"  {reason['clause']}: {reason['words']}") for reason in decision.get("reasons", ())),
            tables.granted(decision.get("allowed_instead") or {}),
        )
        holds = problem.status == _FORBIDDEN and bool(decision.get("reasons")) and bool(decision.get("allowed_instead"))
        self._stage.check("refused with its reasons and the clause", holds=holds)
        self._stage.check("a refusal costs nothing", holds=self._budget() == before)

    def _over_the_cap(self) -> None:
        self._stage.step(
            "A question that would spend too much at once",
            "The hub would pay 20% of its share for one answer; the agreement lets one question spend 10%.",
        )
        before, question = self._budget(), self._questions.over_the_request_cap()
        problem = refused(lambda: self._hub.ask(self._agreement, question), "a question over the cap")
        self._stage.show(render.plain(f"Refused with {problem.status} {problem.code}: {problem.detail}", "bold red"))
        holds = (problem.status, problem.code) == (_FORBIDDEN, "over_request_cap")
        self._stage.check("refused by the cap for one question", holds=holds)
        self._stage.check("nothing was charged", holds=self._budget() == before)

    def _ask(self, name: str, question: Question, client: Client | None = None) -> Release:
        """Ask, and keep question and answer; the client verifies signature and log entry before it hands it out."""
        (self._file("questions", name, "json")).write_text(json.dumps(question, indent=2) + "\n")
        answer = (client or self._hub).ask(self._agreement, question)
        self._file("releases", name, "json").write_bytes(canonical(answer.release))
        self._file("releases", name, "csv").write_bytes(release_table.to_csv(answer.release).encode())
        return answer.release

    def _draw(self, name: str, shown: Release) -> None:
        target = self._file("charts", name, "svg")
        charts.write_svg(shown, target)
        self._stage.check(f"drawn with error bars in {self._stage.kept(target)}", holds=target.stat().st_size > 0)

    def _file(self, folder: str, name: str, suffix: str) -> Path:
        return self._stage.out / folder / f"{name}.{suffix}"

    def _budget(self) -> Release:
        return self._hub.budget(self._agreement)


def _median_error(release: Release) -> float:
    cells = [cells[0] for _, cells in release_table.rows(release)]
    return statistics.median((cell.half_width or 0.0) / max(cell.value or 0.0, 1.0) for cell in cells)


def _values(release: Release) -> dict[frozenset[tuple[str, str]], Any]:
    """Return the measures by keys, in whatever order."""
    return {frozenset(row["keys"].items()): row["measures"] for row in release["rows"]}
