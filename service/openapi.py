"""Print the description of the API as YAML: ``python -m service.openapi > openapi.yaml``."""

from __future__ import annotations

import sys
from typing import Any

from schemas import strict_yaml
from service.api import app as web
from service.app import VERSION


def description() -> dict[str, Any]:
    """Return the OpenAPI description that the app serves."""
    return web.create(None, VERSION).openapi()


def as_yaml() -> str:
    """Return it as YAML."""
    return strict_yaml.dumps(description())


if __name__ == "__main__":
    sys.stdout.write(as_yaml())
