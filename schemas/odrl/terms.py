"""The published vocabularies' terms, as data with their source, and the namespaces."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

PUBLISHED: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "terms.json").read_text(encoding="utf-8"))
"""Of each vocabulary its namespace, title, source, and lists of terms by kind."""

PROFILE = "urn:concordat:odrl:v1#"
PREFIXES = {
    **{prefix: str(vocabulary["namespace"]) for prefix, vocabulary in PUBLISHED.items()},
    "concordat": PROFILE,
    "dct": "http://purl.org/dc/terms/",
    "owl": "http://www.w3.org/2002/07/owl#",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
PURPOSES = frozenset(PUBLISHED["dpv"]["purposes"]) - {"Purpose"}
