"""Write the JSON Schema of the agreement, for people and tools that check a document without Concordat.

Run as ``python -m schemas.export``; a test holds the file equal to the model.
"""

from __future__ import annotations

import json
from pathlib import Path

from schemas.agreement import Agreement

TARGET = Path(__file__).parent / "agreement.v1.schema.json"


def agreement_schema() -> str:
    """Return the JSON Schema (2020-12) of an agreement as the text of its file.

    Rules that reach over several keys, such as that a grant names only parties, are the model's alone.
    """
    made = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:concordat:agreement:v1",
        **Agreement.model_json_schema(by_alias=True),
    }
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write the file beside this module."""
    TARGET.write_text(agreement_schema(), encoding="utf-8")


if __name__ == "__main__":
    main()
