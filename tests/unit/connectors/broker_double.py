"""What a broker holds and answers, with real signatures; it lies or fails when told to."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi.responses import JSONResponse, Response

from schemas import jws
from schemas.canonical import digest, digest_of
from service.audit import merkle
from service.audit.checkpoint import sign_checkpoint
from service.audit.entry import AgreementRef, Caller, Charge
from tests.unit.audit.simulator import ORIGIN, LogSimulator

AGREEMENT = "avon"
DOCUMENT = {"id": AGREEMENT, "version": "1", "title": "An agreement"}
REFERENCE = AgreementRef(AGREEMENT, "1", digest(DOCUMENT))
REQUEST = {
    "purpose": "needs-assessment",
    "dataset": "police-violence",
    "measures": [{"count": {}}],
    "by": [{"field": "lad"}],
    "spend": {"share": "0.02"},
}
CLIENT = "police-1"

Change = Callable[[Any], Any]


@dataclass
class Seen:
    """One request that arrived."""

    method: str
    path: str
    headers: dict[str, str]
    params: dict[str, str]
    body: bytes


@dataclass
class BrokerDouble:
    """What the broker holds, and how it misbehaves.

    Attributes:
        changes: By what is answered (``release``, ``receipt``, ``entry``, ``proof``, ``checkpoint``,
            ``keys``, ``preview``), what is done to it after it was signed.
        faults: Answers given before anything else, each once, to requests whose path ends so.
        drops: Path endings of requests whose answer is lost after they took effect, each once.
    """

    client_key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    signing_key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    log: LogSimulator = field(default_factory=LogSimulator)
    base_url: str = ""
    changes: dict[str, Change] = field(default_factory=dict)
    faults: list[tuple[str, Response]] = field(default_factory=list)
    drops: list[str] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    answers: dict[str, Any] = field(default_factory=dict)
    reserved: dict[str, dict[str, Any]] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    assertions: set[str] = field(default_factory=set)
    withdrawn: set[str] = field(default_factory=set)
    signed_digest: str = REFERENCE.digest
    token_life: int = 600
    lag: int = 0
    """Entries at the log's end that the checkpoint covers only after as many more calls for it."""

    waiting: dict[str, Any] = field(default_factory=lambda: {"standing": "approved", "has": []})
    """The standing of the question ``approval-1``, which waits where a test says so."""

    def approval(self) -> dict[str, Any]:
        question = {
            "dataset": "police-violence", "measures": ["count"], "by": [{"field": "lad", "level": "as-is"}],
            "filters": [{"field": "lad", "codes": ["E06000022"]}], "linked": [],
        }  # fmt: skip
        return {
            "approval": "approval-1", "standing": self.waiting["standing"], "needs": ["police"],
            "has": self.waiting["has"], "party": "opcc", "client": CLIENT, "purpose": "needs-assessment",
            "reason": "the summer profile", "question": question, "cost": {"share": "0.02", "rho": "0.001"},
            "measures": [{"name": "count", "words": "about +-10 on each cell"}], "decisions": [],
            "expires": "2026-07-30T00:00:00.000Z", "you_may_decide": True,
        }  # fmt: skip

    def called(self, ending: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.path.endswith(ending)]

    def kinds(self) -> list[str]:
        return [str(entry.kind) for entry in self.log.entries]

    def changed(self, what: str, value: Any) -> Any:
        return self.changes.get(what, lambda same: same)(value)

    def signed(self, value: dict[str, Any], typ: str) -> dict[str, Any]:
        return value | {"signature": jws.sign(value, self.signing_key, typ=typ)}

    def issue(self) -> str:
        token = f"given-{len(self.tokens)}"
        self.tokens.add(token)
        return token

    # --- what it answers

    def keys(self) -> dict[str, Any]:
        public = jws.public_jwk(self.signing_key.public_key())
        jwk = public | {"kid": jws.thumbprint(public), "use": "sig"}
        return {"keys": [jwk], "log": {"origin": "broker.example/log", "verifier_key": self.log.vkey}}

    def token(self, form: dict[str, str]) -> Response:
        claims = jwt.decode(
            form["client_assertion"],
            self.client_key.public_key(),
            algorithms=["EdDSA"],
            audience=self.base_url,
            options={"require": ["iss", "sub", "exp", "jti"]},
        )
        if claims["sub"] != CLIENT or claims["jti"] in self.assertions:
            return problem(401, "invalid_client", f"not good: {form['client_assertion']}")
        self.assertions.add(claims["jti"])
        token = f"token-{len(self.assertions)}"
        self.tokens.add(token)
        life = self.token_life
        return JSONResponse({"access_token": token, "token_type": "Bearer", "expires_in": life, "scope": ""})

    def signature_receipt(self, signature: str) -> dict[str, Any]:
        told = {
            "type": "concordat/signature-receipt/v1",
            "agreement": {"id": AGREEMENT, "version": "1", "digest": self.signed_digest},
            "version": "1",
            "party": "opcc",
            "signature_digest": digest_of(signature.encode()),
            "unsigned": [],
            "audit": {"index": self.log.size},
        }
        return self.signed(told, "concordat-signature-receipt+jws")

    def receipt(self, request: Seen, dataset: str) -> dict[str, Any]:
        index = self.log.append("pushed", agreement=REFERENCE)
        told = request.headers["content-digest"].removeprefix("sha-256=:").removesuffix(":")
        receipt = {
            "extract": f"extract-{index}",
            "agreement": {"id": AGREEMENT, "version": "1", "digest": REFERENCE.digest},
            "dataset": dataset,
            "digest": f"sha256:{base64.b64decode(told).hex()}",
            "rows": request.body.count(b"\n") - 1,
            "persons": 2,
            "covers": {name: request.params[name] for name in ("from", "to")},
            "received": "2026-05-01T00:00:00.000Z",
            "audit": {"index": index},
        }
        return self.signed(receipt, "concordat-receipt+jws")

    def erasure(self, asked: dict[str, Any]) -> dict[str, Any]:
        index = self.log.append("erased", agreement=REFERENCE)
        told = {
            "type": "concordat/erasure-receipt/v1",
            "erasure": f"erasure-{index}",
            "agreement": {"id": AGREEMENT, "version": "1", "digest": REFERENCE.digest},
            "reach": asked["reach"],
            "persons": len(asked["persons"]),
            "datasets": [{"dataset": "police-violence", "rows": 2}],
            "records": ["street-crime"],
            "erased": "2026-05-01T00:00:00.000Z",
            "audit": {"index": index},
        }
        return self.signed(told, "concordat-erasure-receipt+jws")

    def extract(self, receipt: dict[str, Any]) -> dict[str, Any]:
        state = "withdrawn" if receipt["extract"] in self.withdrawn else "committed"
        return {"extract": receipt["extract"], "state": state, "receipt": receipt}

    def release(self, body: dict[str, Any]) -> dict[str, Any]:
        intent = f"intent-{self.log.size}"
        logged = {"dataset": body["dataset"], "measures": [next(iter(m)) for m in body["measures"]]}
        index = self.log.append(
            "charged",
            caller=Caller("c", "opcc", "analyst"),
            agreement=REFERENCE,
            purpose=body["purpose"],
            request=logged,
            charge=Charge(intent, 0, 20_000_000, 0, "person"),
        )
        release = {
            "id": f"release-{index}",
            "intent": intent,
            "agreement": {"id": AGREEMENT, "version": "1", "digest": REFERENCE.digest},
            "data_version": "v1",
            "question": logged | {"purpose": body["purpose"]},
            "keys": ["lad"],
            "columns": ["lad", "count"],
            "rows": [row("E06000022", 100.4, 9.8, usable=True), row("E06000023", 3.2, 9.8, usable=False)],
            "guarantee": {
                "unit": "pseudonym", "mechanism": "gaussian", "scale": {"count": 5.0}, "rho": "0.02",
                "epsilon": "1.2", "delta": "5e-8", "share": "0.02", "words": "protected",
            },
            "bounded": {"per_person": 3, "bias": "not estimated"},
            "repeat": False,
            "audit": {"index": index},
        }  # fmt: skip
        self.log.append("released", agreement=REFERENCE, result={"release": release["id"], "intent": intent})
        return self.signed(release, "concordat-release+jws")

    def preview(self) -> dict[str, Any]:
        return {
            "decision": {"outcome": "allowed", "code": "allowed", "clauses": ["grants/0"], "reasons": []},
            "cost": {
                "share": "0.02", "rho": "0.02", "epsilon": "1.2", "mechanism": "gaussian", "delta": "5e-8"
            },
            "affordable": True,
            "repeat": False,
            "measures": [{"name": "count", "half_width": 9.8, "confidence": "0.95", "words": "about +-10"}],
            "remaining_after": {"rho": "0.98", "share": "0.98", "epsilon": "7.9"},
        }  # fmt: skip

    def budget(self) -> dict[str, Any]:
        def amount(rho: str, epsilon: str) -> dict[str, str]:
            return {"rho": rho, "epsilon": epsilon}

        share = {
            "share": "0.6", "cap": amount("0.6", "5"), "spent": amount("0.02", "1.2"),
            "remaining": amount("0.58", "4.9"), "spent_share": "0.033333",
        }  # fmt: skip
        return {
            "agreement": {"id": AGREEMENT, "version": "1", "digest": REFERENCE.digest},
            "period": {"index": 0, "from": "2026-04-01", "renews": "2026-07-01"},
            "cap": amount("1", "8") | {"delta": "5e-8"},
            "lifetime_cap": amount("8", "24"),
            "per_request": {"share": "0.1"},
            "spent": amount("0.02", "1.2"),
            "remaining": amount("0.98", "7.9"),
            "lifetime": {"spent": amount("0.02", "1.2"), "remaining": amount("7.98", "23.9")},
            "shares": {"opcc": share | {"forecast": {"runs_out": "2026-06-20", "at_rate": {"rho": "0.02"}}}},
            "forecast": {"runs_out": None, "at_rate": {"rho": "0.02"}},
            "analysts": {
                "opcc-client": share | {"quota": "0.25", "remaining": amount("0.13", "2.6")},
            },
        }

    def statement(self, month: str) -> dict[str, Any]:
        line = {
            "party": "opcc", "client": "opcc-client", "purpose": "needs-assessment", "dataset": "police-violence",
            "unit": "person", "questions": 3, "rho": "0.02", "epsilon": "1.2", "delta": "0",
        }  # fmt: skip
        return {"month": month, "lines": [line, {name: line[name] for name in line if name != "client"}]}

    def quota(self, client: str, share: str) -> dict[str, Any]:
        return {"client": client, "party": "opcc", "quota": share, "agreed": "0.5", "set": share}

    def reserve(self, wanted: dict[str, Any], key: str) -> dict[str, Any]:
        share = {"rho": "0.06", "share": wanted["share"]}
        made = {
            "reservation": "reservation-1", "state": "open", "client": "opcc-client", "key": key, **wanted,
            "reserved": share, "left": share, "expires": "2026-05-01T00:00:00.000Z",
        }  # fmt: skip
        return self.reserved.setdefault("reservation-1", made)

    def note(self) -> str:
        size = self.log.size - self.lag
        self.lag = max(self.lag - 1, 0)
        return self.log_note(size)

    def log_note(self, size: int) -> str:
        return sign_checkpoint(ORIGIN, size, merkle.root(size, self.log.read_node), self.log.key)

    def inclusion(self, n: int, size: int) -> list[str]:
        return encoded(merkle.inclusion_proof(n, size, self.log.read_node))

    def consistency(self, old: int, new: int) -> list[str]:
        return encoded(merkle.consistency_proof(old, new, self.log.read_node))


def encoded(hashes: list[bytes]) -> list[str]:
    return [base64.b64encode(item).decode() for item in hashes]


def row(key: str, value: float, half: float, *, usable: bool) -> dict[str, Any]:
    cell = {
        "value": round(value), "unrounded": value, "noise_interval": [value - half, value + half],
        "usable": usable,
    }  # fmt: skip
    return {"keys": {"lad": key}, "measures": {"count": cell}}


def problem(status: int, code: str, detail: str, **more: Any) -> JSONResponse:
    body = {"type": f"urn:concordat:problem:{code}", "title": "Not so", "status": status, "code": code}
    return JSONResponse(body | {"detail": detail} | more, status, media_type="application/problem+json")
