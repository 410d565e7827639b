"""Checkpoints in C2SP form: tlog-checkpoint bodies in signed notes (https://c2sp.org/tlog-checkpoint).

A note is a text, an empty line, and signature lines ``— <key name> base64(key id || signature)``. The text
of a checkpoint is three lines: origin, tree size, base64 of the root. A log's key bears its origin's name.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from service.errors import ConcordatError

ED25519 = b"\x01"
"""Signature type of plain Ed25519 notes in https://c2sp.org/signed-note."""
KEY_ID_SIZE = 4
ROOT_SIZE = 32
BODY_LINES = 3
MAX_SIGNATURES = 100

_SIGNATURE_START = "\N{EM DASH} "
_SIZE = re.compile(r"(0|[1-9][0-9]{0,18})\Z", re.ASCII)


class CheckpointError(ConcordatError):
    """A verifier key, note or checkpoint that is malformed or not signed as required; ``code`` says which.

    ``key_malformed``, ``note_malformed``, ``checkpoint_malformed``, ``key_unknown`` or ``signature_invalid``.
    """

    code = "checkpoint"


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line of a note."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a checkpoint says: log ``origin`` has ``size`` leaves under ``root``."""

    origin: str
    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A note verifier: the name and the Ed25519 public key that ``key_id`` stands for."""

    name: str
    public_key: Ed25519PublicKey

    @property
    def key_id(self) -> bytes:
        """The four bytes that name this key in signature lines."""
        return key_id(self.name, self.public_key)

    def __str__(self) -> str:
        """Return the vkey encoding, ``name+hex(key id)+base64(type || public key)``."""
        encoded = base64.b64encode(ED25519 + self.public_key.public_bytes_raw()).decode()
        return f"{self.name}+{self.key_id.hex()}+{encoded}"


def key_id(name: str, public_key: Ed25519PublicKey) -> bytes:
    """Return ``SHA-256(name || 0x0A || 0x01 || public key)[:4]``."""
    named_key = name.encode() + b"\n" + ED25519 + public_key.public_bytes_raw()
    return hashlib.sha256(named_key).digest()[:KEY_ID_SIZE]


def verifier_key(name: str, public_key: Ed25519PublicKey) -> str:
    """Return the vkey that a reader of notes signed as ``name`` pins.

    Raises:
        CheckpointError: ``key_malformed`` for a name that no signature line can carry.
    """
    _check_name(name)
    return str(VerifierKey(name, public_key))


def parse_verifier_key(vkey: str) -> VerifierKey:
    """Read a vkey.

    Raises:
        CheckpointError: ``key_malformed``: wrong form, another signature type, or another key's id.
    """
    name, _, rest = vkey.partition("+")
    hex_id, _, encoded = rest.partition("+")
    _check_name(name)
    try:
        key = _decode(encoded)
        parsed = VerifierKey(name, Ed25519PublicKey.from_public_bytes(key.removeprefix(ED25519)))
    except ValueError as error:
        raise CheckpointError("the verifier key is not name+id+base64", code="key_malformed") from error
    if key[:1] != ED25519 or hex_id != parsed.key_id.hex():
        raise CheckpointError("the verifier key's type or id is not that of its Ed25519 key", code="key_malformed")
    return parsed


def sign_note(text: str, name: str, private_key: Ed25519PrivateKey) -> str:
    """Return ``text`` as a note with one Ed25519 signature.

    Raises:
        CheckpointError: ``note_malformed`` unless ``text`` ends in a newline and has no other control
            character; ``key_malformed`` for a name that no signature line can carry.
    """
    _check_name(name)
    if not text.endswith("\n") or not _is_note_text(text):
        raise CheckpointError("a note ends in a newline and has no control characters", code="note_malformed")
    signature = key_id(name, private_key.public_key()) + private_key.sign(text.encode())
    return f"{text}\n{_SIGNATURE_START}{name} {base64.b64encode(signature).decode()}\n"


def sign_checkpoint(origin: str, size: int, root: bytes, private_key: Ed25519PrivateKey) -> str:
    """Return the signed checkpoint of a log.

    Args:
        origin: The log's name, a URL without scheme such as ``broker.example/log``; names the key too.
        size: Number of leaves.
        root: 32-byte root of the tree at that size.
        private_key: The log's key.

    Raises:
        CheckpointError: ``checkpoint_malformed`` or ``key_malformed``.
    """
    if len(root) != ROOT_SIZE or not _SIZE.match(str(size)):
        raise CheckpointError("a checkpoint holds a size from 0 and a 32-byte root", code="checkpoint_malformed")
    return sign_note(f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n", origin, private_key)


def parse_note(note: str) -> tuple[str, list[Signature]]:
    """Split a note into its text and signatures, verifying none.

    Raises:
        CheckpointError: ``note_malformed``.
    """
    text, separator, block = note.rpartition("\n\n")
    lines = block.split("\n")
    if not separator or lines.pop() != "" or not 0 < len(lines) <= MAX_SIGNATURES or not _is_note_text(note):
        raise CheckpointError("a note is a text, an empty line, and signature lines", code="note_malformed")
    return text + "\n", [_parse_signature(line) for line in lines]


def parse_checkpoint(note: str) -> Checkpoint:
    """Read a checkpoint, verifying no signature: for notes that were verified when they were stored.

    Raises:
        CheckpointError: ``note_malformed`` or ``checkpoint_malformed``.
    """
    text, _ = parse_note(note)
    return _parse_body(text)


def verify_checkpoint(note: str, key: VerifierKey) -> Checkpoint:
    """Read a checkpoint that ``key`` has signed, other signatures ignored as signed-note demands.

    Raises:
        CheckpointError: ``note_malformed``; ``key_unknown`` when ``key`` has not signed;
            ``signature_invalid`` when one of its signatures is wrong; ``checkpoint_malformed``, also for an
            origin that is not the key's name.
    """
    text, signatures = parse_note(note)
    ours = [line.signature for line in signatures if (line.name, line.key_id) == (key.name, key.key_id)]
    if not ours:
        raise CheckpointError(f"the note is not signed by {key.name}", code="key_unknown")
    for signature in ours:
        try:
            key.public_key.verify(signature, text.encode())
        except InvalidSignature as error:
            raise CheckpointError(f"the signature of {key.name} is wrong", code="signature_invalid") from error
    checkpoint = _parse_body(text)
    if checkpoint.origin != key.name:
        raise CheckpointError(f"the checkpoint is of another log than {key.name}", code="checkpoint_malformed")
    return checkpoint


def _parse_signature(line: str) -> Signature:
    name, _, encoded = line.removeprefix(_SIGNATURE_START).partition(" ")
    try:
        blob = _decode(encoded)
    except ValueError as error:
        raise CheckpointError("a signature is not base64", code="note_malformed") from error
    if not line.startswith(_SIGNATURE_START) or not _is_name(name) or len(blob) <= KEY_ID_SIZE:
        raise CheckpointError("a signature line is not a dash, a key name and a signature", code="note_malformed")
    return Signature(name, blob[:KEY_ID_SIZE], blob[KEY_ID_SIZE:])


def _parse_body(text: str) -> Checkpoint:
    lines = text.removesuffix("\n").split("\n")
    if len(lines) < BODY_LINES or not all(lines):  # lines after the third are extensions, opaque to everyone
        raise CheckpointError("a checkpoint is three lines: origin, size, root", code="checkpoint_malformed")
    origin, size, encoded = lines[:BODY_LINES]
    try:
        root = _decode(encoded)
    except ValueError as error:
        raise CheckpointError("the root is not base64", code="checkpoint_malformed") from error
    if not _SIZE.match(size) or len(root) != ROOT_SIZE:
        raise CheckpointError("a checkpoint holds a size from 0 and a 32-byte root", code="checkpoint_malformed")
    return Checkpoint(origin, int(size), root)


def _decode(encoded: str) -> bytes:
    """Decode base64 of RFC 4648 section 4, the one spelling of its bytes only."""
    data = base64.b64decode(encoded.encode(), validate=True)
    if base64.b64encode(data).decode() != encoded:
        raise ValueError("not the canonical base64 of its bytes")
    return data


def _is_name(name: str) -> bool:
    return bool(name) and "+" not in name and _is_note_text(name) and not any(map(str.isspace, name))


def _check_name(name: str) -> None:
    if not _is_name(name):
        raise CheckpointError("a key's name is not empty and has no spaces and no plus", code="key_malformed")


def _is_note_text(text: str) -> bool:
    """Whether signed-note allows the text: valid UTF-8, no ASCII control character but newline."""
    return not any((char < " " and char != "\n") or "\ud800" <= char <= "\udfff" for char in text)
