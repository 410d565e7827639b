"""Routes of agreements: register, read, sign, suspend, end; and the catalogue of datasets."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response

from schemas import agreement as documents
from schemas.canonical import canonical
from service.agreements import checking, receipts
from service.api import bodies, logged
from service.api.broker import Broker, of
from service.audit.entry import format_time
from service.errors import Malformed, Unsupported

router = APIRouter(prefix="/v1/agreements", tags=["agreements"])
VersionNumber = Annotated[int, Path(ge=1, le=999_999)]
_MEDIA = {"application/json": "application/json", "application/yaml": "application/yaml",
          "text/yaml": "application/yaml", "application/x-yaml": "application/yaml"}  # fmt: skip
_BODY = {"requestBody": {"required": True, "content": {
    "application/yaml": {"schema": {"type": "string"}},
    "application/json": {"schema": {"type": "object"}},
}}}  # fmt: skip


def _json_body(**properties: Any) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


@router.post("", status_code=201, summary="Register a version", openapi_extra=_BODY)
async def register(request: Request, broker: Annotated[Broker, Depends(of)]) -> JSONResponse:
    """Register a version of an agreement, as YAML or JSON; it is in force once every party has signed it.

    The answer's ``check`` lists what the legal check finds in it. It decides nothing and is for whoever signs to read.
    """
    caller = await run_in_threadpool(broker.caller, request)
    kind = _MEDIA.get(bodies.media_type(request))
    if kind is None:
        raise Unsupported("send application/yaml or application/json")
    body = await bodies.read(request, broker.settings.max_request_bytes)

    def work() -> dict[str, Any]:
        value = documents.load(body, kind)
        agreement = documents.parse(value)
        now = broker.clock()
        with logged.refusals(broker, caller, "register", agreement.id), broker.store.write() as tx:
            broker.registry.register(tx, caller, value, agreement, now)
            known = broker.registry.known(tx.agreements, agreement)
            made = broker.registry.status(tx.agreements, agreement.id, int(agreement.version), now)
            return made | {"check": checking.told(agreement, known, now.date())}

    made = await run_in_threadpool(work)
    return JSONResponse(made, 201, headers={"Location": f"/v1/agreements/{made['id']}/versions/{made['version']}"})


@router.get("", summary="My agreements")
def agreements(request: Request, broker: Annotated[Broker, Depends(of)]) -> dict[str, Any]:
    """The agreements that the caller's party is a party of."""
    caller = broker.caller(request)
    with logged.read(broker, caller, "agreements"), broker.store.read() as tx:
        return {"agreements": broker.catalogue.agreements(tx, caller, broker.clock())}


@router.get("/{agreement}", summary="An agreement's deciding version")
def agreement(agreement: str, request: Request, broker: Annotated[Broker, Depends(of)]) -> dict[str, Any]:
    """The newest version in force, or the newest one where none is; with its signatures and standing."""
    caller = broker.caller(request)
    with logged.read(broker, caller, "agreement", agreement), broker.store.read() as tx:
        return broker.catalogue.agreement(tx, caller, agreement, None, broker.clock())


@router.get("/{agreement}/versions/{version}", summary="One version")
def version(
    agreement: str, version: VersionNumber, request: Request, broker: Annotated[Broker, Depends(of)]
) -> dict[str, Any]:
    """One version, in force or not."""
    caller = broker.caller(request)
    with logged.read(broker, caller, "agreement", agreement), broker.store.read() as tx:
        return broker.catalogue.agreement(tx, caller, agreement, version, broker.clock())


@router.post(
    "/{agreement}/versions/{version}/signatures",
    status_code=201,
    summary="Sign a version",
    openapi_extra=_json_body(signature={"type": "string", "description": "detached JWS (EdDSA)"}),
)
async def sign(
    agreement: str, version: VersionNumber, request: Request, broker: Annotated[Broker, Depends(of)]
) -> JSONResponse:
    """Take the caller's party's detached JWS over a version: a signed receipt."""
    caller = await run_in_threadpool(broker.caller, request)
    signature = await _text_member(request, broker, "signature")

    def work() -> dict[str, Any]:
        with logged.refusals(broker, caller, "sign", agreement), broker.store.write() as tx:
            signed = broker.registry.sign(tx, caller, agreement, version, signature, broker.clock())
            receipt = receipts.of_signature(signed, broker.receipt)
            tx.agreements.add_receipt(agreement, version, caller.party, canonical(receipt).decode())
        return receipt

    return JSONResponse(await run_in_threadpool(work), 201)


@router.post("/{agreement}/suspension", summary="Stop at once")
def suspend(agreement: str, request: Request, broker: Annotated[Broker, Depends(of)]) -> dict[str, Any]:
    """Stop an agreement at once; any supplier's IG lead may."""
    caller = broker.caller(request)
    with logged.refusals(broker, caller, "suspend", agreement), broker.store.write() as tx:
        broker.registry.suspend(tx, caller, agreement, broker.clock())
    return {"agreement": agreement, "standing": "agreement_suspended"}


@router.delete("/{agreement}/suspension", summary="Lift a suspension")
def resume(agreement: str, request: Request, broker: Annotated[Broker, Depends(of)]) -> dict[str, Any]:
    """Lift a suspension; a supplier's IG lead may."""
    caller = broker.caller(request)
    with logged.refusals(broker, caller, "resume", agreement), broker.store.write() as tx:
        broker.registry.resume(tx, caller, agreement, broker.clock())
    return {"agreement": agreement, "standing": "resumed"}


@router.post(
    "/{agreement}/termination",
    summary="End for good",
    openapi_extra=_json_body(confirmation={"type": "string", "description": "detached JWS (EdDSA)"}),
)
async def terminate(agreement: str, request: Request, broker: Annotated[Broker, Depends(of)]) -> dict[str, Any]:
    """End an agreement on a supplier's signed confirmation; nothing is answered or taken afterwards."""
    caller = await run_in_threadpool(broker.caller, request)
    confirmation = await _text_member(request, broker, "confirmation")

    def work() -> dict[str, Any]:
        with logged.refusals(broker, caller, "terminate", agreement), broker.store.write() as tx:
            due = broker.registry.terminate(tx, caller, agreement, confirmation, broker.clock())
        return {"agreement": agreement, "standing": "agreement_terminated", "purge_due": format_time(due)}

    return await run_in_threadpool(work)


@router.post(
    "/{agreement}/withdrawal",
    summary="Leave with what my party supplies",
    openapi_extra=_json_body(confirmation={"type": "string", "description": "detached JWS (EdDSA)"}),
)
async def withdraw(agreement: str, request: Request, broker: Annotated[Broker, Depends(of)]) -> dict[str, Any]:
    """Withdraw the caller's party, at once: what it supplies and what is granted to it; purged after the grace."""
    caller = await run_in_threadpool(broker.caller, request)
    confirmation = await _text_member(request, broker, "confirmation")

    def work() -> dict[str, Any]:
        with logged.refusals(broker, caller, "withdraw-party", agreement), broker.store.write() as tx:
            final = broker.leaving.withdraw(tx, caller, agreement, confirmation, broker.clock())
        return {"agreement": agreement, "party": caller.party, "standing": "withdrawn", "final": format_time(final)}

    return await run_in_threadpool(work)


@router.delete("/{agreement}/withdrawal", summary="Rescind my party's withdrawal")
def rescind(agreement: str, request: Request, broker: Annotated[Broker, Depends(of)]) -> dict[str, Any]:
    """Take the withdrawal of the caller's party back, before the period of grace is over."""
    caller = broker.caller(request)
    with logged.refusals(broker, caller, "rescind-withdrawal", agreement), broker.store.write() as tx:
        broker.leaving.rescind(tx, caller, agreement, broker.clock())
    return {"agreement": agreement, "party": caller.party, "standing": "rescinded"}


@router.get("/{agreement}/purge", summary="My party's purge receipt")
def purge(
    agreement: str,
    request: Request,
    broker: Annotated[Broker, Depends(of)],
    left_out_by: Annotated[
        int | None, Query(ge=1, le=999_999, description="the version that left datasets of the party out")
    ] = None,
) -> Response:
    """The signed receipt of the purge of what the caller's party supplied: the newest, or that of what was left out."""
    caller = broker.caller(request)
    with logged.read(broker, caller, "purge", agreement), broker.store.read() as tx:
        body = broker.purges.receipt(tx, caller, agreement, left_out_by)
    return Response(body, media_type="application/json")


@router.get("/{agreement}/datasets", summary="Catalogue")
def datasets(agreement: str, request: Request, broker: Annotated[Broker, Depends(of)]) -> dict[str, Any]:
    """The datasets and what the caller may do with each."""
    caller = broker.caller(request)
    with logged.read(broker, caller, "catalogue", agreement), broker.store.read() as tx:
        return {"datasets": broker.catalogue.datasets(tx, caller, agreement, broker.clock())}


@router.get("/{agreement}/datasets/{dataset}", summary="One dataset")
def dataset(agreement: str, dataset: str, request: Request, broker: Annotated[Broker, Depends(of)]) -> dict[str, Any]:
    """A dataset's fields, code lists, periods covered, and what the caller may do with it."""
    caller = broker.caller(request)
    with logged.read(broker, caller, "catalogue", agreement), broker.store.read() as tx:
        return broker.catalogue.dataset(tx, caller, agreement, dataset, broker.clock())


async def _text_member(request: Request, broker: Broker, name: str) -> str:
    _, value = await bodies.read_json(request, broker.settings.max_request_bytes)
    if not isinstance(value, dict) or set(value) != {name} or not isinstance(value[name], str):
        raise Malformed(f"send an object with the one member {name}, a text", code="malformed")
    text: str = value[name]
    return text
