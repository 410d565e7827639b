"""What each supplier supplies."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from schemas.clauses.said import said
from schemas.model import Strict
from schemas.names import ArtefactName, FieldName, IsoDuration, Level, Slug, Text

DataClass = Literal["depersonalised", "personal", "special-category", "criminal-offence", "patient-information"]


class Bounds(Strict):
    """The most that one person may add, however many records the person has."""

    per_person: Annotated[int, said("K: the most that one person adds to an answer, in records.", 3, ge=1, le=1000)]


class Dataset(Strict):
    """What one supplier supplies."""

    schema_: Annotated[
        ArtefactName,
        said("The dataset schema that each push is checked against; pinned.", "police-violence/v1", alias="schema"),
    ]
    supplier: Annotated[Slug, said("The party that pushes it, and no other.", "as-police")]
    every: Annotated[IsoDuration, said("How often it is pushed.", "P1M")]
    keep: Annotated[
        IsoDuration,
        said(
            "How long the records of an extract are kept, from its receipt, to the end of that day (UTC); then the "
            "broker removes them for good. The newest version that all have signed says it, for earlier extracts too.",
            "P3Y",
        ),
    ]
    bounds: Annotated[Bounds, said("The bound on one person's contribution.", {"per_person": 3})]
    privacy_unit: Annotated[
        Literal["person", "record"],
        said("Who is protected; a schema with a pseudonym protects persons and nothing less.", "person"),
    ] = "person"
    gateway: Annotated[
        tuple[Text, ...],
        said("Legal powers of this supplier, in place of the purpose's.", ["cda-1998-s115"]),
    ] = ()
    purposes: Annotated[
        tuple[Slug, ...],
        said(
            "The purposes for which it is supplied, with their narrower ones. Whatever a grant says, no question for "
            "another purpose is answered. All purposes where it is left out.",
            ["needs-assessment"],
        ),
    ] = ()
    data_classes: Annotated[
        tuple[DataClass, ...],
        said(
            "The classes of data in it, where they are other than the gateway table takes for the supplier's kind.",
            ["personal", "special-category"],
        ),
    ] = ()
    codes: Annotated[
        dict[FieldName, ArtefactName],
        said(
            "Code lists that close columns whose schema has only a pattern, such as small areas; pinned.",
            {"lsoa": "lsoa-2021"},
        ),
    ] = Field(default_factory=dict)
    levels: Annotated[
        dict[FieldName, dict[Level, ArtefactName]],
        said(
            "Further levels of generalisation of columns, by hierarchies that the operator imported; pinned.",
            {"lsoa": {"ward": "lsoa21-ward25"}},
        ),
    ] = Field(default_factory=dict)
    quality: Annotated[
        Text | None, said("What is known of its accuracy and completeness.", "Alcohol flag filled on half the rows.")
    ] = None
