"""Code lists and the hierarchies that make codes and numbers coarser."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.model import Strict
from schemas.names import ArtefactName, Code


class LabelledCode(Strict):
    """One code of a list and what people call it."""

    code: Code
    label: str


class CodeList(Strict):
    """A closed list of codes. Every list knows ``unknown``, so that a row that does not know has a code."""

    name: ArtefactName = Field(alias="concordat:codelist")
    title: str
    source: str
    codes: tuple[LabelledCode, ...]

    @model_validator(mode="after")
    def _complete(self) -> Self:
        codes = [entry.code for entry in self.codes]
        if len(set(codes)) != len(codes):
            raise ValueError("a code stands twice")
        if "unknown" not in codes:
            raise ValueError("a code list needs the code 'unknown'")
        return self


class Band(Strict):
    """A band of whole numbers, both ends included."""

    code: Code
    first: Annotated[int, Field(alias="from")]
    last: Annotated[int, Field(alias="to")]


class Hierarchy(Strict):
    """One coarser level: bands over whole numbers, or a map from each code to a coarser code.

    Numbers in no band, codes that the map does not name, and missing values become ``unknown``.
    """

    name: ArtefactName = Field(alias="concordat:hierarchy")
    title: str
    source: str
    kind: Literal["bands", "map"]
    bands: tuple[Band, ...] = ()
    map: dict[Code, Code] = Field(default_factory=dict)
    labels: dict[Code, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if bool(self.bands) == bool(self.map) or (self.kind == "bands") != bool(self.bands):
            raise ValueError("a hierarchy has either bands or a map, as its kind says")
        last = None
        for band in self.bands:
            if band.first > band.last or (last is not None and band.first <= last):
                raise ValueError("bands stand in order and do not overlap")
            last = band.last
        return self

    @property
    def keys(self) -> tuple[str, ...]:
        """The public keys of this level in order, ``unknown`` last."""
        made = [band.code for band in self.bands] or list(dict.fromkeys(self.map.values()))
        return (*(key for key in made if key != "unknown"), "unknown")

    def members(self, keys: frozenset[str], codes: tuple[str, ...]) -> tuple[str, ...]:
        """Return the codes among ``codes`` that this map turns into one of ``keys``."""
        return tuple(code for code in codes if self.map.get(code, "unknown") in keys)
