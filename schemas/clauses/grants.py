"""Who may ask what, of which dataset, for which purpose: closed by default, and never united."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from schemas.clauses.measures import Measures
from schemas.clauses.said import said
from schemas.model import Strict
from schemas.names import Code, FieldName, Level, Slug

GrantedRole = Literal["analyst", "steward", "ig-lead"]


class Grant(Strict):
    """What some recipients may do with one dataset for some purposes. One grant covers a question or none does."""

    to: Annotated[tuple[Slug, ...], said("The recipients.", ["as-opcc"], min_length=1)]
    for_: Annotated[
        tuple[Slug, ...],
        said("The purposes, with their narrower ones.", ["needs-assessment"], alias="for", min_length=1),
    ]
    roles: Annotated[
        tuple[GrantedRole, ...],
        said("The roles in which a recipient's people may ask.", ["analyst"], min_length=1),
    ] = ("analyst",)
    dataset: Annotated[Slug, said("The dataset that is asked of.", "police-violence")]
    group_by: Annotated[
        dict[FieldName, tuple[Level, ...]],
        said("Columns to group by, each with the levels allowed.", {"age": ["sna-band"], "occurred": ["month"]}),
    ] = Field(default_factory=dict)
    filter_by: Annotated[
        dict[FieldName, tuple[Level, ...]],
        said("Columns to filter by, never finer than a level named.", {"lad": ["as-is"], "occurred": ["quarter"]}),
    ] = Field(default_factory=dict)
    measure: Annotated[Measures, said("What may be measured.", {"count": True, "mean": ["gravity"]})] = Measures()
    rows: Annotated[
        dict[FieldName, Annotated[tuple[Code, ...], Field(min_length=1)]],
        said("Forced scope: only rows with these codes are ever counted.", {"lad": ["E06000023"]}),
    ] = Field(default_factory=dict)
    link: Annotated[
        tuple[Slug, ...],
        said(
            "Datasets that a question may be linked with by person; each needs a grant of its own that names this one.",
            ["ed-assaults"],
        ),
    ] = ()
    combine: Annotated[
        dict[FieldName, Annotated[int, Field(ge=2, le=10_000)]],
        said(
            "The fewest codes of a column that a filter has to combine, so that nobody asks of one small area.",
            {"lsoa": 5},
        ),
    ] = Field(default_factory=dict)
    most_fields: Annotated[
        int | None,
        said("The most different columns that a question may group and filter by, dates included.", 4, ge=1, le=100),
    ] = None
    approval: Annotated[
        tuple[Slug, ...],
        said("Parties of whom a steward has to approve each question before it is answered.", ["as-police"]),
    ] = ()
