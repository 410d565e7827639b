"""Which keys are a broker's: pinned when it is first met, or given out of band; never taken anew unasked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from connectors.errors import UnverifiedError
from connectors.files import create_private
from schemas import jws, strict_json
from schemas.canonical import canonical
from schemas.errors import DocumentError


@dataclass(frozen=True, slots=True)
class BrokerKeys:
    """What a broker signs with.

    Attributes:
        log: Verifier key of its log, ``name+id+base64``.
        signing: By thumbprint, the keys of its releases and receipts.
    """

    log: str
    signing: Mapping[str, Ed25519PublicKey]

    def verify(self, value: Mapping[str, Any], typ: str) -> None:
        """Check that a pinned key has signed an object that carries its detached JWS as ``signature``.

        Args:
            value: The object, its signature included.
            typ: What kind of object the signature must be for.

        Raises:
            UnverifiedError: ``signature_missing``, ``key_not_pinned`` or ``bad_signature``.
        """
        signature = value.get("signature")
        if not isinstance(signature, str):
            raise UnverifiedError("signature_missing", "the broker's answer is not signed")
        payload = {name: part for name, part in value.items() if name != "signature"}
        try:
            header = strict_json.loads(jws.decode(signature.partition(".")[0]), max_bytes=10_000)
            kid = header.get("kid") if isinstance(header, dict) else None
            key = self.signing.get(str(kid))
            if key is None:
                raise UnverifiedError("key_not_pinned", "the answer is signed with a key that is not pinned")
            jws.verify(payload, signature, key, typ=typ)
        except DocumentError as error:
            raise UnverifiedError("bad_signature", f"the answer is not what was signed: {error.detail}") from error


class TrustStore:
    """The pinned keys of one broker, in one small file that only its owner reads."""

    def __init__(self, folder: Path, issuer: str, log_key: str | None = None) -> None:
        """Open the store; nothing is read or written yet.

        Args:
            folder: Where the files of all brokers lie.
            issuer: The broker.
            log_key: Its log's verifier key, where it is known out of band: then no other is pinned.
        """
        name = sha256(issuer.encode()).hexdigest()[:16]
        self._path = folder / f"broker-{name}.json"
        self._issuer = issuer
        self._log_key = log_key

    @property
    def path(self) -> Path:
        """Where the pinned keys lie."""
        return self._path

    def keys(self, fetch: Callable[[], Any]) -> BrokerKeys:
        """Return the pinned keys; at the first meeting, pin those that the broker shows.

        Args:
            fetch: Returns what ``/v1/keys`` answers; called at the first meeting only.

        Raises:
            UnverifiedError: ``keys_malformed``; ``log_key_differs`` from the one known out of band;
                ``store_damaged``.
        """
        try:
            pinned = self._path.read_bytes()
        except FileNotFoundError:
            pinned = self._pin(fetch())
        try:
            keys = _read_keys(strict_json.loads(pinned), self._issuer)
        except (DocumentError, UnverifiedError) as error:
            said = f"{self._path} does not hold this broker's keys; find out why before removing it"
            raise UnverifiedError("store_damaged", said) from error
        self._check(keys)
        return keys

    def _pin(self, shown: Any) -> bytes:
        value = {"issuer": self._issuer, **shown} if isinstance(shown, dict) else None
        self._check(_read_keys(value, self._issuer))
        with suppress(FileExistsError):  # another process met the broker first: what it pinned counts
            create_private(self._path, canonical(value))
        return self._path.read_bytes()

    def _check(self, keys: BrokerKeys) -> None:
        if self._log_key is not None and keys.log != self._log_key:
            raise UnverifiedError("log_key_differs", "the broker's log has another key than the one given")


def _read_keys(value: Any, issuer: str) -> BrokerKeys:
    """Read what ``/v1/keys`` answers; keys of other kinds and uses are left out."""
    match value:
        case {"issuer": str(told), "keys": list(jwks), "log": {"verifier_key": str(log)}} if told == issuer:
            pass
        case _:
            raise UnverifiedError("keys_malformed", "what the broker shows are not its keys")
    signing = {}
    for jwk in jwks:
        if isinstance(jwk, dict) and jwk.get("kty") == "OKP" and jwk.get("use", "sig") == "sig":
            try:
                signing[jws.thumbprint(jwk)] = jws.public_key(jwk)
            except DocumentError as error:
                raise UnverifiedError("keys_malformed", f"a key of the broker: {error.detail}") from error
    return BrokerKeys(log, signing)
