"""The questions of a needs assessment, as analysts write them."""

from __future__ import annotations

from datetime import date
from typing import Any

Question = dict[str, Any]

PURPOSE = "needs-assessment"
POLICE, ED = "police-violence", "ed-assaults"


class Questions:
    """Questions about one period."""

    def __init__(self, period: tuple[date, date]) -> None:
        """Begin.

        Args:
            period: First and last day.
        """
        self._days = {"from": period[0].isoformat(), "to": period[1].isoformat()}

    def council_by_month(self) -> Question:
        """Offences: each has one primary row."""
        return self._police(
            "monthly trend by council",
            by=[{"field": "occurred", "level": "month"}, {"field": "lad"}],
            where=[{"field": "primary", "is": True}],
        )

    def council_by_month_reordered(self) -> Question:
        """Return the same question in another order, with another reason."""
        asked = self.council_by_month()
        return asked | {"by": asked["by"][::-1], "where": asked["where"][::-1], "reason": "the same, for a slide"}

    def age_and_sex(self) -> Question:
        """Persons, victims and suspects apart."""
        return self._police(
            "age by sex, victims and suspects apart",
            measures=[{"persons": {}}],
            by=[{"field": "role"}, {"field": "age", "level": "sna-band"}, {"field": "sex"}],
            where=[{"field": "role", "in": ["victim", "suspect"]}],
            share="0.04",
        )

    def offence_groups(self) -> Question:
        """Three measures at once share the charge."""
        return self._police(
            "offence groups by quarter with their gravity",
            measures=[{"count": {}}, {"persons": {}}, {"mean": {"field": "gravity"}}],
            by=[{"field": "offence_group"}, {"field": "occurred", "level": "quarter"}],
            share="0.06",
        )

    def part_of_day(self) -> Question:
        """Knife offences by three hours."""
        return self._police(
            "when knives are used",
            by=[{"field": "hour", "level": "three-hours"}],
            where=[{"field": "primary", "is": True}, {"field": "knife", "is": True}],
            share="0.03",
        )

    def known_to_ed(self, *, has: bool) -> Question:
        """Persons whom the police know and the emergency department knows too, or does not."""
        return self._police(
            "overlap of police and emergency department",
            measures=[{"persons": {}}],
            by=[{"field": "lad"}],
            linked=[{"dataset": ED, "has": has, "where": [{"field": "arrived", **self._days}]}],
        )

    def own_area(self) -> Question:
        """A council's question, which names no area."""
        return self._police(
            "monthly trend for the safety partnership",
            by=[{"field": "occurred", "level": "month"}, {"field": "lad"}],
            where=[{"field": "primary", "is": True}],
            share="0.05",
        )

    def not_granted(self) -> Question:
        """A link that the council's grant does not give."""
        return self.own_area() | self._linked_to_ed() | {"reason": "offences whose victims went to hospital"}

    def over_the_request_cap(self) -> Question:
        """A fifth of the share at once."""
        return self.council_by_month() | {"spend": {"share": "0.20"}}

    def _linked_to_ed(self) -> Question:
        return {"linked": [{"dataset": ED, "has": True}]}

    def _police(
        self,
        reason: str,
        *,
        by: list[Question],
        measures: tuple[Question, ...] | list[Question] = ({"count": {}},),
        where: tuple[Question, ...] | list[Question] = (),
        linked: tuple[Question, ...] | list[Question] = (),
        share: str = "0.02",
    ) -> Question:
        asked: Question = {
            "purpose": PURPOSE,
            "dataset": POLICE,
            "measures": list(measures),
            "by": by,
            "where": [{"field": "occurred", **self._days}, *where],
            "spend": {"share": share},
            "reason": reason,
        }
        return asked | ({"linked": list(linked)} if linked else {})
