"""Made-up lookups of small areas in two vintages, and what is made of them."""

from __future__ import annotations

from pathlib import Path

from schemas.canonical import canonical
from service import importing
from service.importing import Lookup

CURRENT = """LSOA21CD,LSOA21NM,WD25CD,WD25NM,LADCD,LADNM
E01000001,Quay,E05000001,Harbour,E06000023,Bristol
E01000002,Docks,E05000001,Harbour,E06000023,Bristol
E01000003,Hill,E05000002,Hilltop,E06000023,Bristol
E01000004,Spa,E05000003,Baths,E06000022,Bath and North East Somerset
"""
"""Four small areas, three wards, two councils."""

FORMER = """LSOA11CD,LSOA11NM,LSOA21CD,LADCD,LADNM
E01000001,Quay,E01000001,E06000023,Bristol
E01000002,Docks,E01000002,E06000023,Bristol
E01000009,Hill and Spa,E01000003,E06000023,Bristol
"""
"""The vintage before: one area's code is in no later list."""


def write(folder: Path, name: str, text: str) -> Path:
    """Write a lookup."""
    path = folder / f"{name}.csv"
    path.write_text(text)
    return path


def lookup(file: Path, name: str, **kept: tuple[str, ...]) -> Lookup:
    """Return a lookup that shall become the artefact ``name``."""
    return Lookup(file, name, f"Made up: {name}", "made up for tests", kept)


def artefacts(folder: Path) -> Path:
    """Write code lists and hierarchies of both vintages to a folder, as ``--out`` does."""
    current, former = write(folder, "current", CURRENT), write(folder, "former", FORMER)
    target = folder / "artefacts"
    target.mkdir()
    for made in (
        importing.codelist(lookup(current, "lsoa-2021"), "lsoa21cd", "lsoa21nm"),
        importing.hierarchy(lookup(current, "lsoa21-ward25"), "lsoa21cd", "wd25cd", "wd25nm"),
        importing.hierarchy(lookup(current, "lsoa21-lad25"), "lsoa21cd", "ladcd", "ladnm"),
        importing.codelist(lookup(former, "lsoa-2011"), "lsoa11cd", "lsoa11nm"),
        importing.hierarchy(lookup(former, "lsoa11-lad25"), "lsoa11cd", "ladcd", "ladnm"),
        importing.hierarchy(lookup(former, "lsoa11-lsoa21"), "lsoa11cd", "lsoa21cd", None),
    ):
        (target / f"{made.name}.json").write_bytes(canonical(made.value))
    return target
