"""A broker's log in memory: the storage that ``service.audit`` expects, reduced to a dict."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from service.audit import merkle
from service.audit.checkpoint import sign_checkpoint, verifier_key
from service.audit.entry import AgreementRef, Caller, Charge, Entry, Kind
from service.audit.export import checkpoint_line, entry_line, expunged_line

ORIGIN = "broker.example/log"
AGREEMENT = AgreementRef("avon", "1", "sha256:" + "a" * 64)
CAPS = {
    "period_rho_nano": 1000, "lifetime_rho_nano": 1500, "shares": {"opcc": 600, "bristol": 400},
    "period_delta_e18": 1000, "lifetime_delta_e18": 1500, "delta_shares": {"opcc": 600, "bristol": 400},
}  # fmt: skip


class LogSimulator:
    """Appends, signs, proves and exports."""

    def __init__(self, key: Ed25519PrivateKey | None = None) -> None:
        self.key = key or Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
        self.vkey = verifier_key(ORIGIN, self.key.public_key())
        self.entries: list[Entry] = []
        self.nodes: dict[tuple[int, int], bytes] = {}
        self.reads = 0

    @property
    def size(self) -> int:
        return len(self.entries)

    def read_node(self, level: int, index: int) -> bytes:
        self.reads += 1
        return self.nodes[level, index]

    def append(self, kind: str, **fields: Any) -> int:
        n = self.size
        entry = Entry(
            kind=Kind(kind),
            time=datetime(2026, 4, 1, 9, tzinfo=UTC) + timedelta(seconds=n),
            caller=fields.pop("caller", Caller("client-1", "opcc", "analyst")),
            nonce=f"{n:032x}",
            agreement=fields.pop("agreement", AGREEMENT),
            **fields,
        )
        for level, index, found in merkle.append(n, self.read_node, entry.leaf()):
            self.nodes[level, index] = found
        self.entries.append(entry)
        return n

    def register(self, caps: Mapping[str, Any] = CAPS, agreement: AgreementRef = AGREEMENT) -> int:
        return self.append(Kind.REGISTERED, agreement=agreement, result={"caps": dict(caps)})

    def charge(
        self,
        intent: str,
        rho_nano: int,
        *,
        period: int = 0,
        party: str = "opcc",
        client: str = "client",
        delta: int = 5,
        **fields: Any,
    ) -> int:
        charge = Charge(intent, period, rho_nano, delta_e18=delta)
        return self.append(Kind.CHARGED, caller=Caller(client, party, "analyst"), charge=charge, **fields)

    def quota(self, client: str, share: str, *, party: str = "opcc", by: str = "opcc") -> int:
        result = {"quota": {"party": party, "client": client, "share": share}}
        return self.append(Kind.QUOTA_SET, caller=Caller("steward", by, "steward"), result=result)

    def release(self, intent: str, release: str | None = None) -> int:
        release = release or f"release-of-{intent}"
        result = {"release": release, "intent": intent, "digest": "sha256:" + "d" * 64}
        return self.append(Kind.RELEASED, result=result)

    def answer(self, intent: str, rho_nano: int, *, period: int = 0, party: str = "opcc") -> None:
        self.charge(intent, rho_nano, period=period, party=party)
        self.release(intent)

    def root(self) -> bytes:
        return merkle.root(self.size, self.read_node)

    def note(self) -> str:
        return sign_checkpoint(ORIGIN, self.size, self.root(), self.key)

    def inclusion(self, n: int) -> list[bytes]:
        return merkle.inclusion_proof(n, self.size, self.read_node)

    def consistency(self, old: int) -> list[bytes]:
        return merkle.consistency_proof(old, self.size, self.read_node)

    def export(self, hidden: frozenset[int] | set[int] = frozenset()) -> list[bytes]:
        lines = [checkpoint_line(self.note())]
        for n, entry in enumerate(self.entries):
            lines.append(expunged_line(n, entry.leaf()) if n in hidden else entry_line(n, entry.data()))
        return lines
