"""What a terminal shows of a broker's answers. Text from elsewhere is shown as text, never obeyed."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_EVEN, ROUND_UP, Decimal, InvalidOperation
from typing import Any

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from connectors.release_table import Cell, key_names, measure_names, rows

BAR_WIDTH = 48
MAX_BARS = 60
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def plain(value: Any, style: str = "") -> Text:
    """Return a value as text, without what could move a cursor or hide something."""
    text = "" if value is None else str(value)
    return Text("".join(" " if unicodedata.category(char) in _HIDDEN else char for char in text), style)


def number(value: float | None) -> str:
    """Write a number for people: whole ones with separators, others with few decimals."""
    if value is None:
        return "-"
    if float(value).is_integer() and abs(value) < 1e15:  # noqa: PLR2004 - where floats stop being exact
        return f"{int(value):,}"
    return f"{value:,.2f}" if abs(value) < 10 else f"{value:,.1f}"  # noqa: PLR2004 - one digit before the point


def rounded(value: Any, *, up: bool = False) -> str:
    """Write an epsilon or a rho for people: three digits, of what is promised never less than it is."""
    try:
        exact = Decimal(str(value))
        digits = Decimal(1).scaleb(exact.adjusted() - 2) if exact else Decimal(1)
        shown = exact.quantize(min(digits, Decimal(1)), ROUND_UP if up else ROUND_HALF_EVEN)
    except InvalidOperation:
        return str(value)
    text = f"{shown:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(value: Any) -> str:
    """Write a share as a percentage."""
    try:
        return f"{rounded(Decimal(str(value)) * 100)}%"
    except InvalidOperation:
        return str(value)


def release_table(release: Mapping[str, Any]) -> Table:
    """Return a release as a table: each value with the half-width of its 95% interval, and if it is usable."""
    question = release.get("question") or {}
    title = plain(f"{question.get('dataset', '')} for {question.get('purpose', '')}")
    made = Table(title=title, title_justify="left", caption_justify="left", caption=guarantee(release))
    for name in key_names(release):
        made.add_column(plain(name), no_wrap=True)
    for name in measure_names(release):
        made.add_column(plain(name), justify="right")
        made.add_column("± 95%", justify="right")
        made.add_column("usable")
    for keys, cells in rows(release):
        shown: list[RenderableType] = [plain(key) for key in keys]
        for cell in cells:
            style = "" if cell.usable else "dim"
            shown += [
                plain(number(cell.value), style),
                plain(number(cell.half_width), style),
                Text("yes", "green") if cell.usable else Text("no", "yellow"),
            ]
        made.add_row(*shown)
    return made


def guarantee(release: Mapping[str, Any]) -> Text:
    """Return what protects the persons in a release, and what it cost, in one paragraph."""
    said = release.get("guarantee") or {}
    cost = "nothing: it was released before" if release.get("repeat") else f"rho {said.get('rho')}"
    words = (
        f"{named(said.get('mechanism'))} noise, epsilon {rounded(said.get('epsilon'), up=True)} "
        f"at delta {said.get('delta')} for each {said.get('unit')}; charged {cost}. "
        "The interval covers the bounded total, not what bounding took."
    )
    return plain(f"{words} {release.get('unlinked', '')}".strip(), "dim")


def error_bars(release: Mapping[str, Any], *, width: int = BAR_WIDTH) -> Group:
    """Return each measure as rows of error bars on one scale, for a terminal.

    Args:
        release: The release.
        width: Characters from the least to the greatest value.
    """
    table = list(rows(release))
    parts: list[RenderableType] = []
    for place, name in enumerate(measure_names(release)):
        parts += _bars(name, [(" · ".join(keys) or "all", cells[place]) for keys, cells in table], width)
    return Group(*parts)


def _bars(name: str, labelled: Sequence[tuple[str, Cell]], width: int) -> list[RenderableType]:
    shown = labelled[:MAX_BARS]
    ends = [end for _, cell in shown for end in (cell.low, cell.high) if end is not None]
    if not ends:
        return [plain(f"{name}: nothing to draw", "dim")]
    least, greatest = min(0.0, *ends), max(0.0, *ends)
    step = (greatest - least) / (width - 1) or 1.0
    margin = min(max(cell_len(label) for label, _ in shown), 40)
    lines: list[RenderableType] = [plain(name, "bold")]
    for label, cell in shown:
        said = plain(label)
        said.truncate(margin, overflow="ellipsis", pad=True)
        lines.append(Text.assemble(said, " ", _bar(cell, least, step, width), " ", _said(cell)))
    scale = f"{number(least)}{number(greatest):>{width - len(number(least))}}"
    lines.append(Text(f"{'':{margin}} {scale}", "dim"))
    if len(labelled) > len(shown):
        lines.append(Text(f"... and {len(labelled) - len(shown)} more rows", "dim"))
    return lines


def _bar(cell: Cell, least: float, step: float, width: int) -> Text:
    if cell.low is None or cell.high is None or cell.centre is None:
        return Text(" " * width)
    low, point, high = (round((value - least) / step) for value in (cell.low, cell.centre, cell.high))
    drawn = [" "] * width
    for column in range(low + 1, high):
        drawn[column] = "─"
    drawn[low], drawn[high] = "├", "┤"
    drawn[point] = "●" if cell.usable else "○"
    return Text("".join(drawn), "cyan" if cell.usable else "dim")


def _said(cell: Cell) -> Text:
    return Text(f"{number(cell.value)} ± {number(cell.half_width)}", "" if cell.usable else "dim")


def budget_table(budget: Mapping[str, Any], after: Mapping[str, Any] | None = None) -> Table:
    """Return who has spent how much of what; with ``after``, the same before and after an answer.

    Args:
        budget: The budget, as ``Client.budget`` returns it.
        after: The budget later.
    """
    now = after or budget
    period, cap = now["period"], now["cap"]
    title = plain(f"Privacy budget from {period['from']}, renews {period['renews']}")
    caption = plain(f"Amounts in rho; in brackets epsilon at delta {cap.get('delta')}.", "dim")
    made = Table(title=title, title_justify="left", caption=caption, caption_justify="left")
    made.add_column("")
    made.add_column("cap", justify="right")
    for heading in ("spent", "left") if after is None else ("spent before", "spent after", "left"):
        made.add_column(heading, justify="right")
    before, later = _ledgers(budget), _ledgers(now)
    for name, ledger in later.items():
        spent = [ledger["spent"]] if after is None else [before.get(name, {}).get("spent"), ledger["spent"]]
        made.add_row(plain(name), *map(_amount, (ledger["cap"], *spent, ledger["remaining"])))
    return made


def _ledgers(budget: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return, by who they are for, ``cap``, ``spent`` and ``remaining``."""
    period = {"cap": budget["cap"], "spent": budget["spent"], "remaining": budget["remaining"]}
    lifetime = {"cap": budget["lifetime_cap"], **budget["lifetime"]}
    everyone: dict[str, Mapping[str, Any]] = {"all parties, this period": period, "all parties, lifetime": lifetime}
    clients = {f"client {name}": ledger for name, ledger in (budget.get("analysts") or {}).items()}
    return everyone | dict(budget["shares"]) | clients


def forecast_lines(budget: Mapping[str, Any]) -> Group:
    """Return when the period's budget, the lifetime's and each share run out at the rate of the last four weeks."""
    told = {"all parties, this period": budget, "all parties, lifetime": budget["lifetime"], **budget["shares"]}
    ends = {name: (part.get("forecast") or {}).get("runs_out") for name, part in told.items()}
    lines = [
        plain(f"At the rate of the last four weeks {name} runs out on {day}.") for name, day in ends.items() if day
    ]
    return Group(*lines)


def statement_table(statement: Mapping[str, Any]) -> Table:
    """Return what was charged in a month, by who, for what and of what."""
    title = plain(f"What was charged in {statement.get('month')}")
    made = Table(title=title, title_justify="left")
    for heading in ("party", "client", "purpose", "dataset", "unit", "questions", "rho (epsilon)"):
        made.add_column(heading)
    for line in statement.get("lines") or ():
        cells = [line.get(name) for name in ("party", "client", "purpose", "dataset", "unit", "questions")]
        made.add_row(*(plain("all" if cell is None else cell) for cell in cells), _amount(line))
    return made


def _amount(value: Mapping[str, Any] | None) -> Text:
    return Text("-") if value is None else plain(f"{rounded(value.get('rho'))} ({rounded(value.get('epsilon'))})")


def decision_lines(decision: Mapping[str, Any]) -> Group:
    """Return what was decided, by which clauses, and what would have been allowed."""
    outcome, code = decision.get("outcome"), decision.get("code")
    lines = [plain(f"{outcome} ({code})", "green" if outcome == "allowed" else "bold red")]
    reasons = decision.get("reasons") or ()
    lines += [plain(f"  {reason.get('clause')}: {reason.get('words')}") for reason in reasons]
    instead = decision.get("allowed_instead")
    if isinstance(instead, Mapping):
        lines.append(plain("  the nearest grant allows:"))
        lines += [plain(f"    {named(name)}: {listed(value)}") for name, value in instead.items()]
    lines += _nearest_lines(decision)
    return Group(*lines)


def _nearest_lines(decision: Mapping[str, Any]) -> list[Text]:
    """Return who has to approve a question, and the nearest one that would be allowed, where there are such."""
    lines = []
    if decision.get("approvals"):
        lines.append(plain(f"  a steward of each has to approve it: {listed(decision['approvals'])}", "yellow"))
    nearest = decision.get("nearest")
    if isinstance(nearest, Mapping):
        lines.append(plain("  this would be allowed, if you"))
        lines += [plain(f"    {change}") for change in nearest.get("changes") or ()]
        lines.append(plain(f"  {json.dumps(nearest.get('request'), ensure_ascii=False)}", "dim"))
    return lines


def named(name: Any) -> str:
    """Write a key as words: ``group_by`` as ``group by``."""
    return str(name).replace("_", " ")


def listed(value: Any) -> str:
    """Write what a grant allows as a person would: ``age (sna-band), lad``."""
    if isinstance(value, Mapping):
        said = {name: listed(part) for name, part in value.items() if part not in (False, None, [], {})}
        parts = [name if text in ("yes", "as-is") else f"{name} ({text})" for name, text in said.items()]
        return ", ".join(map(str, parts)) or "nothing"
    if isinstance(value, list | tuple):
        return ", ".join(map(listed, value)) or "nothing"
    return "yes" if value is True else "no" if value is False else str(value)


def preview_lines(preview: Mapping[str, Any]) -> Group:
    """Return what a question would cost, how wrong its answer may be, and what would remain."""
    parts: list[RenderableType] = [decision_lines(preview.get("decision") or {})]
    if isinstance(preview.get("needs_approval"), Mapping):
        parts.append(approval_line(preview["needs_approval"]))
    cost, left = preview.get("cost"), preview.get("remaining_after") or {}
    if isinstance(cost, Mapping):
        made = Table(show_header=False)
        made.add_column("")
        made.add_column("")
        made.add_row("cost", plain(f"{percent(cost.get('share'))} of your share: rho {cost.get('rho')}"))
        epsilon = f"{rounded(cost.get('epsilon'), up=True)} ({named(cost.get('mechanism'))})"
        made.add_row("as epsilon", plain(epsilon))
        for measure in preview.get("measures") or ():
            made.add_row(plain(f"error of {measure.get('name')}"), plain(measure.get("words")))
        made.add_row("left after", plain(f"{percent(left.get('share'))} of your share: rho {left.get('rho')}"))
        limit = (preview.get("remaining") or {}).get("limited_by") or {}
        if limit.get("tier") not in {None, "share"}:  # a share is what is told of anyway
            now = preview["remaining"]
            words = f"{limit.get('words')}: {percent(now.get('share'))} of your share, rho {now.get('rho')}"
            made.add_row("limited by", plain(words))
        if preview.get("repeat"):
            made.add_row("repeat", "the answer was released before, and is free")
        if preview.get("affordable") is False:
            why = preview.get("unaffordable")
            made.add_row("affordable", plain(f"no: {why}" if why else "no", "bold red"))
        parts.append(made)
    return Group(*parts)


def approval_line(needed: Mapping[str, Any]) -> Text:
    """Return whose approval a question needs, and how that stands."""
    said = f"needs approval of {listed(needed.get('needs'))}: {named(needed.get('standing'))}"
    if needed.get("has"):
        said += f", approved by {listed(needed['has'])}"
    if needed.get("refused_by"):
        said += f" by {needed['refused_by']}"
    return plain(said, "yellow")


def findings_table(errors: Sequence[Mapping[str, Any]]) -> Table:
    """Return the rules that an input breaks: which, where, how often, in which first rows."""
    made = Table()
    for heading in ("rule", "column", "count", "first rows", "detail"):
        made.add_column(heading)
    for error in errors:
        first = error.get("rows") or []
        told = ", ".join(str(item) for item in first[:10]) if isinstance(first, list) else first
        made.add_row(
            plain(error.get("rule")), plain(error.get("column")), plain(error.get("count")), plain(told),
            plain(error.get("detail")),
        )  # fmt: skip
    return made
