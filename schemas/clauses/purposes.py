"""What data may be used for, and by which law."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from schemas.clauses.said import said
from schemas.model import Strict
from schemas.names import Slug, Text


class PurposeLegal(Strict):
    """The lawful basis of a purpose, for every party or for one."""

    article_6: Annotated[Literal["a", "b", "c", "d", "e", "f"], said("Point of UK GDPR article 6(1).", "e")]
    article_6_law: Annotated[
        Text | None,
        said("The law that lays the task or duty down, for points (c) and (e).", "PCSC Act 2022 s.8"),
    ] = None
    article_9: Annotated[
        Literal["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"] | None,
        said("Point of UK GDPR article 9(2), where special-category data is used.", "g"),
    ] = None
    article_10: Annotated[
        Text | None,
        said("Authority for data on offences (UK GDPR article 10).", "DPA 2018 s.10(5) and Schedule 1 paragraph 6"),
    ] = None
    schedule_1: Annotated[Text | None, said("Paragraph of DPA 2018 Schedule 1 that the conditions rest on.", "6")] = (
        None
    )
    part_3: Annotated[
        bool, said("Whether this is law-enforcement processing by a competent authority (DPA 2018 Part 3).", False)
    ] = False
    part_3_condition: Annotated[
        Text | None,
        said("The condition for sensitive processing under Part 3 (DPA 2018 Schedule 8).", "Schedule 8 paragraph 1"),
    ] = None
    gateway: Annotated[
        tuple[Text, ...],
        said("Legal powers to disclose, by their names in the gateway table that is pinned.", ["pcsc-2022-s16"]),
    ] = ()


class Confidentiality(Strict):
    """How the common-law duty of confidentiality is met."""

    basis: Annotated[
        Literal["not-confidential", "consent", "statute", "public-interest", "effectively-anonymised"],
        said("Why the use breaks no confidence.", "effectively-anonymised"),
    ]
    words: Annotated[
        Text, said("The reasons, and who decided.", "Recipients get noised totals alone; decided by each Guardian.")
    ]


class OptOut(Strict):
    """What becomes of people who opted out of uses of their confidential health information."""

    handling: Annotated[
        Literal["applied-by-supplier", "not-applied", "not-health-data"],
        said("Whether the national data opt-out is applied, and where.", "not-applied"),
    ]
    words: Annotated[
        Text, said("Why.", "What recipients get is anonymous to the ICO's code, to which the opt-out does not apply.")
    ]


class Purpose(Strict):
    """What data may be used for. A grant for a purpose covers its narrower purposes, never a wider one."""

    description: Annotated[Text, said("What is done, for whom.", "To prepare the strategy against serious violence.")]
    parent: Annotated[Slug | None, said("The wider purpose that this one is a part of.", "serious-violence-duty")] = (
        None
    )
    dpv: Annotated[
        Text | None, said("The nearest purpose of the W3C Data Privacy Vocabulary.", "dpv:PublicBenefit")
    ] = None
    necessity: Annotated[
        Text | None,
        said("Why it cannot be done with less data.", "Each agency sees only a part of the violence."),
    ] = None
    benefit: Annotated[
        Text | None, said("Who gains what.", "Help reaches the places where violence is, within weeks.")
    ] = None
    legal: Annotated[
        PurposeLegal, said("The lawful basis, for every party that has none of its own.", {"article_6": "e"})
    ]
    legal_of: Annotated[
        dict[Slug, PurposeLegal],
        said("The lawful basis of parties that rely on another one, by party.", {"bri-ed": {"article_6": "e"}}),
    ] = Field(default_factory=dict)
    confidentiality: Annotated[
        Confidentiality | None,
        said("How confidence is kept.", {"basis": "effectively-anonymised", "words": "Noised totals alone."}),
    ] = None
    opt_out: Annotated[
        OptOut | None,
        said("How opt-outs are handled.", {"handling": "not-applied", "words": "Outputs are anonymous."}),
    ] = None

    def basis_of(self, party: str) -> PurposeLegal:
        """Return the lawful basis that a party relies on."""
        return self.legal_of.get(party, self.legal)
