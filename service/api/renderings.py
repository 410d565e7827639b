"""Agreements in other forms: a page that a party's people read and print."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from schemas.page.render import CONTENT_SECURITY_POLICY, Signed, page
from service.api import logged
from service.api.agreements import VersionNumber
from service.api.broker import Broker, of

router = APIRouter(prefix="/v1/agreements", tags=["agreements"])


@router.get("/{agreement}/versions/{version}/page", summary="One version as a page", response_class=HTMLResponse)
def read_page(
    agreement: str, version: VersionNumber, request: Request, broker: Annotated[Broker, Depends(of)]
) -> HTMLResponse:
    """One version to read and print, with who has signed it; each clause's path is its anchor."""
    caller = broker.caller(request)
    with logged.read(broker, caller, "page", agreement), broker.store.read() as tx:
        found = broker.catalogue.agreement(tx, caller, agreement, version, broker.clock())
        signed = [Signed(item["party"], item["key"], item["signed"]) for item in found["signatures"]]
        text = page(found["document"], signed=signed, standing=found["standing"].replace("_", " "))
    headers = {"Content-Security-Policy": CONTENT_SECURITY_POLICY, "Referrer-Policy": "no-referrer"}
    return HTMLResponse(text, headers=headers)
