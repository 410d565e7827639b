"""Options that several commands share, as dataclasses whose fields are annotated for Typer."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import Any, get_type_hints


def taking(*groups: type) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of some dataclasses, which are made and passed as its first arguments.

    Args:
        groups: Frozen dataclasses, each field annotated for Typer.
    """

    def wrap(command: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(command, eval_str=True).parameters.values())[len(groups) :]
        own = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
        added = [(group, _parameters(group)) for group in groups]

        @functools.wraps(command)
        def run(**given: Any) -> None:
            made = [group(**{name: given.pop(name) for name in parameters}) for group, parameters in added]
            command(*made, **given)

        shown = [*own, *(parameter for _, parameters in reversed(added) for parameter in parameters.values())]
        run.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in shown}
        return run

    return wrap


def _parameters(group: type) -> dict[str, inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return {
        field.name: inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.default is MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in fields(group)
    }
