"""``concordat approvals``: questions that wait for stewards, and what a steward decides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.table import Table

from connectors import render
from connectors.commands import output
from connectors.commands.connection import Connection, connected
from connectors.commands.groups import group
from connectors.commands.output import Json

_ROLE = "steward"
ApprovalArgument = Annotated[str, typer.Argument(metavar="APPROVAL", help="Its id.")]
ReasonOption = Annotated[str, typer.Option(help="Why, for the log; names nobody.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    approvals = group(app, "approvals")
    approvals.command("list")(connected(list_))
    approvals.command("show")(connected(show))
    approvals.command("approve")(connected(approve))
    approvals.command("refuse")(connected(refuse))


def list_(connection: Connection, *, json: Json = False) -> None:
    """List what waits for your party to decide, and your party's own questions."""
    with connection.open(_ROLE) as client:
        found = client.approvals(connection.agreement_id())
    made = Table()
    for heading in ("approval", "standing", "asked by", "purpose", "question", "approved by", "yours to decide"):
        made.add_column(heading)
    for item in found:
        cells = (
            item.get("approval"), item.get("standing"), item.get("party"), item.get("purpose"), _question(item),
            f"{len(item.get('has') or ())} of {len(item.get('needs') or ())}",
            "yes" if item.get("you_may_decide") else "no",
        )  # fmt: skip
        made.add_row(*map(render.plain, cells))
    output.result(found, made, as_json=json)


def show(connection: Connection, approval: ApprovalArgument, *, json: Json = False) -> None:
    """Show a question that waits: after policy, with its purpose, reason and cost, and what stewards said."""
    with connection.open(_ROLE) as client:
        found = client.approval(connection.agreement_id(), approval)
    output.result(found, *_lines(found), as_json=json)


def approve(
    connection: Connection, approval: ApprovalArgument, *, reason: ReasonOption = "", json: Json = False
) -> None:
    """Approve a question for your party, for good: the same party may ask it, at that cost, for 90 days."""
    _decide(connection, approval, "approve", reason, as_json=json)


def refuse(
    connection: Connection, approval: ApprovalArgument, *, reason: ReasonOption = "", json: Json = False
) -> None:
    """Refuse a question for your party, for good."""
    _decide(connection, approval, "refuse", reason, as_json=json)


def _decide(connection: Connection, approval: str, decision: str, reason: str, *, as_json: bool) -> None:
    with connection.open(_ROLE) as client:
        found = client.decide(connection.agreement_id(), approval, decision, reason)
    output.result(found, *_lines(found), as_json=as_json)


def _lines(found: Mapping[str, Any]) -> list[RenderableType]:
    cost, question = found.get("cost") or {}, found.get("question") or {}
    waits = [party for party in found.get("needs") or () if party not in (found.get("has") or ())]
    lines = [
        f"{found.get('approval')}: {found.get('standing')}, lapses {found.get('expires')}",
        f"asked by {found.get('party')} ({found.get('client')}) for {found.get('purpose')}",
        f"reason: {found.get('reason') or 'none given'}",
        f"question: {_question(found)}",
        *(f"  only where {render.listed(item)}" for item in question.get("filters") or ()),
        *(f"  linked: {render.listed(item)}" for item in question.get("linked") or ()),
        f"cost: {render.percent(cost.get('share'))} of its share, rho {cost.get('rho')}",
        *(f"error of {item.get('name')}: {item.get('words')}" for item in found.get("measures") or ()),
        f"approved by: {_names(found.get('has'))}; still needed: {_names(waits)}",
        *(_said(item) for item in found.get("decisions") or ()),
    ]
    return [render.plain(line) for line in lines]


def _names(parties: Any) -> str:
    return ", ".join(map(str, parties or ())) or "nobody"


def _said(item: Mapping[str, Any]) -> str:
    reason = item.get("reason") or "no reason given"
    return f"{item.get('party')} said {item.get('decision')} at {item.get('at')}: {reason}"


def _question(item: Mapping[str, Any]) -> str:
    question = item.get("question") or {}
    by = ", ".join(f"{keys.get('field')} ({keys.get('level')})" for keys in question.get("by") or ())
    said = f"{', '.join(map(str, question.get('measures') or ()))} of {question.get('dataset')}"
    return f"{said} by {by}" if by else said
