"""``concordat demo``: the whole story on one machine, told through the connectors over HTTP."""

from __future__ import annotations

from service.demo.story import run

__all__ = ["run"]
