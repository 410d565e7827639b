"""The reader's side of a transparency log: signed checkpoints (C2SP), roots and proofs (RFC 6962).

Written apart from the broker's own code on purpose, and with other algorithms: a mistake there is not
repeated here.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

EMPTY_ROOT = hashlib.sha256(b"").digest()

_VKEY = re.compile(r"([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})")
_BODY = re.compile(r"([^\n]+)\n(0|[1-9][0-9]{0,18})\n([A-Za-z0-9+/]{43}=)\n(?:[^\n]+\n)*")
_SIGNATURE = re.compile("— ([^\\s+]+) ([A-Za-z0-9+/]+={0,2})")
_ED25519 = b"\x01"
_MAX_NOTE = 100_000


class LogError(ValueError):
    """Something the log's reader cannot accept.

    Attributes:
        code: Stable: which check failed.
        detail: What was wrong, in words.
    """

    def __init__(self, code: str, detail: str) -> None:
        """Keep the code apart from the words."""
        super().__init__(detail)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A verified checkpoint: log ``origin`` had ``size`` entries under ``root``, as signed in ``note``."""

    origin: str
    size: int
    root: bytes
    note: str


def open_note(note: str, vkey: str) -> str:
    """Return the text of a note that the pinned key has signed; signatures of other keys are ignored.

    Args:
        note: A signed note, https://c2sp.org/signed-note.
        vkey: The pinned verifier key, ``name+id+base64``, obtained out of band.

    Raises:
        LogError: ``key_malformed``, ``note_malformed``, ``key_unknown`` or ``signature_invalid``.
    """
    name, key_id, key = _parse_vkey(vkey)
    signed, text, lines = _split_note(note)
    blobs = [_base64(encoded, "note_malformed") for signer, encoded in lines if signer == name]
    ours = [blob[4:] for blob in blobs if blob[:4] == key_id]
    if not ours:
        raise LogError("key_unknown", f"the note carries no signature of {name} by the pinned key")
    for signature in ours:
        try:
            key.verify(signature, signed)
        except InvalidSignature as error:
            raise LogError("signature_invalid", f"the signature of {name} is wrong") from error
    return text


def open_checkpoint(note: str, vkey: str) -> Checkpoint:
    """Return the checkpoint in a note that the pinned key has signed.

    Raises:
        LogError: What ``open_note`` raises; ``checkpoint_malformed``; ``origin_mismatch`` when the key signed
            it for another log.
    """
    text = open_note(note, vkey)
    body = _BODY.fullmatch(text)
    if body is None:
        raise LogError("checkpoint_malformed", "a checkpoint is three lines: origin, size, root")
    origin, size, root = body[1], int(body[2]), _base64(body[3], "checkpoint_malformed")
    if origin != vkey.partition("+")[0]:
        raise LogError("origin_mismatch", "the checkpoint is of another log than the pinned key's")
    return Checkpoint(origin, size, root, note)


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf's data, here an entry in canonical JSON."""
    return hashlib.sha256(b"\x00" + data).digest()


class Frontier:
    """Computes roots from leaf hashes one at a time, keeping one hash for each binary digit of the size."""

    def __init__(self) -> None:
        """Begin with the empty tree."""
        self.size = 0
        self._peaks: list[bytes] = []

    def add(self, leaf: bytes) -> None:
        """Take the next leaf's hash."""
        self._peaks.append(leaf)
        self.size += 1
        carry = self.size
        while carry % 2 == 0:
            right, left = self._peaks.pop(), self._peaks.pop()
            self._peaks.append(_node(left, right))
            carry //= 2

    def root(self) -> bytes:
        """Return the root of the leaves so far."""
        if not self._peaks:
            return EMPTY_ROOT
        found = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            found = _node(peak, found)
        return found


def verify_inclusion(n: int, leaf: bytes, proof: Sequence[bytes], checkpoint: Checkpoint) -> None:
    """Check that ``leaf`` is the hash of entry ``n`` under the checkpoint.

    Raises:
        LogError: ``not_included``.
    """
    if not 0 <= n < checkpoint.size:
        raise LogError("not_included", f"the checkpoint covers {checkpoint.size} entries, entry {n} is not one")
    below, beside = _proof_shape(n, checkpoint.size)
    if len(proof) != below + beside:
        raise LogError("not_included", f"the proof of entry {n} has the wrong length")
    found = _climb(leaf, proof[:below], n)
    if _climb(found, proof[below:], -1) != checkpoint.root:
        raise LogError("not_included", f"the proof of entry {n} does not lead to the checkpoint's root")


def verify_consistency(old: Checkpoint, new: Checkpoint, proof: Sequence[bytes]) -> None:
    """Check that the log of ``old`` is the beginning of the log of ``new``, which is at least as long.

    Raises:
        LogError: ``inconsistent``.
    """
    if old.size > new.size:
        raise LogError("inconsistent", "the later log is shorter than the earlier one")
    if old.size in (0, new.size):
        known = EMPTY_ROOT if old.size == 0 else new.root
        if proof or old.root != known:
            raise LogError("inconsistent", f"two different logs of {old.size} entries")
        return
    # The earlier tree ends in a complete subtree of 2**shift leaves, where the proof starts; if that is the
    # whole earlier tree, the proof leaves it out.
    shift = (old.size & -old.size).bit_length() - 1
    below, beside = _proof_shape(old.size - 1, new.size)
    below -= shift
    path = list(proof) if old.size != 1 << shift else [old.root, *proof]
    if len(path) != 1 + below + beside:
        raise LogError("inconsistent", "the consistency proof has the wrong length")
    seed, inside, outside = path[0], path[1 : 1 + below], path[1 + below :]
    position = (old.size - 1) >> shift
    lefts = [sibling for level, sibling in enumerate(inside) if position >> level & 1]
    if _climb(_climb(seed, lefts, -1), outside, -1) != old.root:
        raise LogError("inconsistent", "the consistency proof does not lead to the earlier root")
    if _climb(_climb(seed, inside, position), outside, -1) != new.root:
        raise LogError("inconsistent", "the consistency proof does not lead to the later root")


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def _proof_shape(n: int, size: int) -> tuple[int, int]:
    """Lengths of an inclusion proof's two parts: until the last leaf's path is met, then left siblings."""
    below = (n ^ (size - 1)).bit_length()
    return below, (n >> below).bit_count()


def _climb(found: bytes, siblings: Sequence[bytes], position: int) -> bytes:
    """Hash upwards; bit i of ``position`` says that sibling i stands on the left (-1: all do)."""
    for level, sibling in enumerate(siblings):
        found = _node(sibling, found) if position >> level & 1 else _node(found, sibling)
    return found


def _parse_vkey(vkey: str) -> tuple[str, bytes, Ed25519PublicKey]:
    match = _VKEY.fullmatch(vkey)
    if match is None:
        raise LogError("key_malformed", "a verifier key is name+id+base64")
    name, key_id, material = match[1], bytes.fromhex(match[2]), _base64(match[3], "key_malformed")
    if material[:1] != _ED25519 or len(material) != 1 + 32:
        raise LogError("key_malformed", "the verifier key is not an Ed25519 key")
    if hashlib.sha256(name.encode() + b"\n" + material).digest()[:4] != key_id:
        raise LogError("key_malformed", "the id in the verifier key is not that of its key")
    return name, key_id, Ed25519PublicKey.from_public_bytes(material[1:])


def _split_note(note: str) -> tuple[bytes, str, list[tuple[str, str]]]:
    """Return the signed bytes, the same as text, and (key name, base64) of each signature line."""
    text, separator, block = note.rpartition("\n\n")
    text += "\n"
    matches = [_SIGNATURE.fullmatch(line) for line in block.split("\n")[:-1]]
    signatures = [(match[1], match[2]) for match in matches if match is not None]
    well_formed = separator and block.endswith("\n") and matches and len(signatures) == len(matches)
    if not well_formed or len(note) > _MAX_NOTE or re.search(r"[\x00-\x09\x0b-\x1f\ud800-\udfff]", note):
        raise LogError("note_malformed", "a note is a text, an empty line, and signature lines")
    return text.encode(), text, signatures


def _base64(encoded: str, code: str) -> bytes:
    """Decode standard base64, refusing all but the one spelling of its bytes."""
    try:
        data = base64.b64decode(encoded, validate=True)
    except ValueError as error:
        raise LogError(code, "not base64") from error
    if base64.b64encode(data).decode() != encoded:
        raise LogError(code, "not the canonical base64 of its bytes")
    return data
