"""The API over a broker's double, served on loopback."""

from __future__ import annotations

import base64
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from tests.unit.connectors.broker_double import AGREEMENT, CLIENT, DOCUMENT, REFERENCE, BrokerDouble, Seen, problem


@contextmanager
def serving(broker: BrokerDouble) -> Iterator[BrokerDouble]:
    """Serve a broker on a free port of loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        broker.base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(app(broker), log_level="critical", lifespan="off", ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.005)
        try:
            yield broker
        finally:
            server.should_exit = True
            thread.join()


def app(broker: BrokerDouble) -> FastAPI:  # noqa: C901, PLR0915 - one small function a route
    """Return the API over a broker's double."""
    made = FastAPI()

    @made.middleware("http")
    async def arrive(request: Request, call_next: Callable[[Request], Any]) -> Response:
        body = await request.body()
        path = request.url.path
        headers = dict(request.headers)
        broker.seen.append(Seen(request.method, path, headers, dict(request.query_params), body))
        for fault in broker.faults:
            if path.endswith(fault[0]):
                broker.faults.remove(fault)
                return fault[1]
        token = headers.get("authorization", "").removeprefix("Bearer ")
        if path != "/oauth/token" and token not in broker.tokens:
            return problem(401, "invalid_token", f"the token {token} is not one of ours")
        answer: Response = await call_next(request)
        for ending in broker.drops:
            if path.endswith(ending):
                broker.drops.remove(ending)
                return Response(b"lost", 200, headers={"Content-Length": "400"})
        return answer

    @made.post("/oauth/token")
    async def token(request: Request) -> Response:
        return broker.token({name: str(value) for name, value in (await request.form()).items()})

    @made.get("/v1/keys")
    def keys() -> Any:
        return broker.changed("keys", broker.keys())

    @made.get("/v1/me")
    def me() -> Any:
        return {"client": CLIENT, "party": "opcc", "roles": ["analyst"], "agreements": []}

    @made.post("/v1/agreements", status_code=201)
    async def register(request: Request) -> Any:
        return {"id": AGREEMENT, "version": "1", "bytes": len(await request.body())}

    @made.get("/v1/agreements/avon/versions/1")
    @made.get("/v1/agreements/avon")
    def agreement() -> Any:
        shown = {"id": AGREEMENT, "version": "1", "digest": REFERENCE.digest, "in_force": True}
        return broker.changed("agreement", shown | {"document": DOCUMENT, "signatures": [], "unsigned": []})

    @made.post("/v1/agreements/avon/versions/1/signatures", status_code=201)
    async def sign(request: Request) -> Any:
        return broker.changed("signature receipt", broker.signature_receipt((await request.json())["signature"]))

    @made.get("/v1/agreements/avon/datasets")
    def datasets() -> Any:
        may = {"push": True, "ask": [{"clause": "grants/0"}]}
        dataset = {"dataset": "police-violence", "title": "Violence", "supplier": "police", "you_may": may}
        return {"datasets": [dataset | {"covered": [{"from": "2026-04-01", "to": "2026-04-30"}]}]}

    @made.get("/v1/agreements/avon/datasets/police-violence")
    def dataset() -> Any:
        fields = [{"name": "lad", "kind": "code", "title": "Council", "levels": ["as-is", "force"]}]
        grant = {"clause": "grants/0", "group_by": {"lad": ["as-is"]}}
        may = {"push": False, "ask": [grant]}
        return {"dataset": "police-violence", "title": "Violence", "fields": fields, "you_may": may}

    @made.post("/v1/agreements/avon/datasets/{dataset}/extracts")
    async def push(dataset: str, request: Request) -> Any:
        seen = broker.seen[-1]
        key = seen.headers["idempotency-key"]
        if seen.headers["concordat-agreement-digest"] != REFERENCE.digest:
            return problem(409, "agreement_changed", "another version is in force")
        if b"bad" in seen.body:
            finding = {
                "rule": "not_in_list",
                "column": "lad",
                "count": 2,
                "rows": [3, 5],
                "detail": "unknown",
            }
            return problem(422, "extract_refused", "the extract breaks 1 rule", errors=[finding])
        if key not in broker.answers:
            broker.answers[key] = broker.receipt(seen, dataset)
        return JSONResponse(broker.changed("receipt", broker.answers[key]), 201)

    @made.get("/v1/agreements/avon/datasets/{dataset}/extracts")
    def extracts(dataset: str) -> Any:
        found = [answer for answer in broker.answers.values() if answer.get("dataset") == dataset]
        return {"extracts": [broker.extract(answer) for answer in found]}

    @made.get("/v1/agreements/avon/datasets/{dataset}/extracts/{extract}")
    def one_extract(dataset: str, extract: str) -> Any:
        found = (answer for answer in broker.answers.values() if answer.get("extract") == extract)
        return broker.extract(next(found))

    @made.delete("/v1/agreements/avon/datasets/{dataset}/extracts/{extract}")
    def withdraw(dataset: str, extract: str) -> Any:
        broker.withdrawn.add(extract)
        told = {"dataset": dataset, "extract": extract, "withdrawn": "2026-05-02T00:00:00.000Z"}
        return broker.changed("withdrawal", broker.signed(told, "concordat-receipt+jws"))

    @made.post("/v1/agreements/avon/erasures")
    async def erase(request: Request) -> Any:
        key = broker.seen[-1].headers["idempotency-key"]
        if key not in broker.answers:
            broker.answers[key] = broker.erasure(await request.json())
        return JSONResponse(broker.changed("erasure", broker.answers[key]), 201)

    @made.post("/v1/agreements/avon/aggregates/preview")
    def preview() -> Any:
        return broker.changed("preview", broker.preview())

    @made.post("/v1/agreements/avon/aggregates")
    async def ask(request: Request) -> Any:
        body = await request.json()
        if body["purpose"] != "needs-assessment":
            decision = {
                "outcome": "refused", "code": "not_granted", "clauses": ["grants/0"],
                "reasons": [{"clause": "grants/0", "words": "no grant covers this"}],
            }  # fmt: skip
            return problem(403, "not_granted", "no grant covers this", decision=decision)
        key = request.headers["idempotency-key"]
        if broker.waiting["standing"] == "waiting":
            return JSONResponse(broker.changed("waiting", broker.waiting), 202)
        if key not in broker.answers:
            broker.answers[key] = broker.release(body)
        return broker.changed("release", broker.answers[key])

    @made.get("/v1/agreements/avon/approvals")
    def approvals() -> Any:
        return {"approvals": [broker.approval()]}

    @made.get("/v1/agreements/avon/approvals/approval-1")
    def approval() -> Any:
        return broker.approval()

    @made.post("/v1/agreements/avon/approvals/approval-1")
    async def decide(request: Request) -> Any:
        said = await request.json()
        if said["decision"] == "approve":
            broker.waiting |= {"standing": "approved", "has": ["police"]}
        decided = {"party": "police", "at": "2026-05-02T00:00:00.000Z", **said}
        return broker.approval() | {"decisions": [decided], "you_may_decide": False}

    @made.get("/v1/agreements/avon/budget")
    def budget() -> Any:
        return broker.budget()

    @made.get("/v1/agreements/avon/budget/statements")
    def statement(month: str) -> Any:
        return broker.statement(month)

    @made.get("/v1/agreements/avon/quotas")
    def quotas() -> Any:
        return {"quotas": [broker.quota("opcc-client", "0.25")]}

    @made.put("/v1/agreements/avon/quotas/{client}")
    async def set_quota(client: str, request: Request) -> Any:
        return broker.quota(client, (await request.json())["share"])

    @made.get("/v1/agreements/avon/reservations")
    def reservations() -> Any:
        return {"reservations": list(broker.reserved.values())}

    @made.post("/v1/agreements/avon/reservations")
    async def reserve(request: Request) -> Any:
        return JSONResponse(broker.reserve(await request.json(), request.headers["idempotency-key"]), 201)

    @made.delete("/v1/agreements/avon/reservations/{reservation}")
    def give_up(reservation: str) -> Any:
        return broker.reserved[reservation] | {"state": "lapsed"}

    @made.get("/v1/agreements/avon/releases")
    def releases() -> Any:
        listed = ("id", "agreement", "question", "columns", "guarantee", "audit")
        found = [answer for answer in broker.answers.values() if "rows" in answer]
        return {"releases": [{name: item[name] for name in listed if name in item} for item in found]}

    @made.get("/v1/agreements/avon/releases/{release}")
    def release(release: str) -> Any:
        found = next((item for item in broker.answers.values() if item.get("id") == release), None)
        return found or problem(404, "not_found", "there is no such release of your party")

    @made.get("/v1/audit/checkpoint")
    def checkpoint() -> PlainTextResponse:
        return PlainTextResponse(broker.changed("checkpoint", broker.note()))

    @made.get("/v1/audit/entries")
    def entries(first: int = 0, limit: int = 100, kind: str | None = None) -> Any:
        fitting = [
            {"n": n, "entry": entry.as_dict()}
            for n, entry in enumerate(broker.log.entries)
            if n >= first and kind in (None, entry.kind)
        ]
        after = fitting[limit]["n"] if len(fitting) > limit else None
        return {"entries": fitting[:limit], "next": after, "size": broker.log.size}

    @made.get("/v1/audit/entries/{n}")
    def entry(n: int) -> Any:
        return broker.changed("entry", {"n": n, "entry": broker.log.entries[n].as_dict()})

    @made.get("/v1/audit/entries/{n}/proof")
    def proof(n: int, size: int) -> Any:
        hashes = broker.inclusion(n, size)
        leaf = base64.b64encode(broker.log.entries[n].leaf()).decode()
        return broker.changed("proof", {"n": n, "size": size, "leaf": leaf, "hashes": hashes})

    @made.get("/v1/audit/consistency")
    def consistency(request: Request) -> Any:
        old, new = int(request.query_params["from"]), int(request.query_params["to"])
        shown = {"from": old, "to": new, "hashes": broker.consistency(old, new)}
        return broker.changed("consistency", shown)

    @made.get("/v1/audit/export")
    def export() -> Response:
        return Response(b"".join(broker.log.export()), media_type="application/x-ndjson")

    return made
