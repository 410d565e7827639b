"""The Merkle tree of RFC 6962 section 2.1 (the same in RFC 9162 section 2.1): pure functions on bytes.

A *complete subtree* ``(level, index)`` covers the leaves from ``index * 2**level`` up to, not including,
``(index + 1) * 2**level``. It never changes once it exists, so complete subtrees are all that storage keeps;
every root and proof is made from O(log size) of them through a ``ReadNode`` that storage gives.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence

from service.errors import ConcordatError

LEAF_PREFIX = b"\x00"
NODE_PREFIX = b"\x01"
EMPTY_ROOT = hashlib.sha256(b"").digest()

ReadNode = Callable[[int, int], bytes]
"""Returns the hash of the complete subtree at ``(level, index)``."""


Node = tuple[int, int, bytes]
"""Level, index and hash of a complete subtree."""


class MerkleError(ConcordatError):
    """A tree position that does not exist, or a proof that does not hold; ``code`` says which check failed.

    ``index_out_of_range``, ``size_out_of_range``, ``proof_length``, ``inclusion_root``,
    ``consistency_old_root`` or ``consistency_new_root``.
    """

    code = "merkle"


def leaf_hash(data: bytes) -> bytes:
    """Return ``MTH({d(0)})``: SHA-256 of 0x00 and the leaf's data."""
    return hashlib.sha256(LEAF_PREFIX + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return SHA-256 of 0x01 and the two children."""
    return hashlib.sha256(NODE_PREFIX + left + right).digest()


def append(size: int, read_node: ReadNode, leaf: bytes) -> list[Node]:
    """Return the complete subtrees that a new leaf brings into being.

    Args:
        size: Number of leaves before.
        read_node: Reads subtrees that exist at ``size``.
        leaf: Hash of the new leaf, which becomes leaf number ``size``.

    Returns:
        The leaf itself at level 0, then each subtree that it completes, in order of level.
    """
    level, index, found = 0, size, leaf
    nodes = [(level, index, found)]
    while index & 1:
        found = node_hash(read_node(level, index - 1), found)
        level, index = level + 1, index >> 1
        nodes.append((level, index, found))
    return nodes


def append_all(size: int, read_node: ReadNode, leaves: Iterable[bytes]) -> list[Node]:
    """Return the complete subtrees that a batch of leaves brings into being, in the order they are completed.

    Reads from ``read_node`` only what existed before the batch.
    """
    fresh: dict[tuple[int, int], bytes] = {}

    def read(level: int, index: int) -> bytes:
        return fresh[level, index] if (level, index) in fresh else read_node(level, index)

    made: list[Node] = []
    for offset, leaf in enumerate(leaves):
        nodes = append(size + offset, read, leaf)
        fresh.update(((level, index), found) for level, index, found in nodes)
        made.extend(nodes)
    return made


def root(size: int, read_node: ReadNode) -> bytes:
    """Return the root of the first ``size`` leaves; the hash of nothing for an empty tree.

    Raises:
        MerkleError: ``size_out_of_range`` for a negative size.
    """
    if size < 0:
        raise MerkleError(f"a tree cannot hold {size} leaves", code="size_out_of_range")
    return _range_root(0, size, read_node) if size else EMPTY_ROOT


def inclusion_proof(n: int, size: int, read_node: ReadNode) -> list[bytes]:
    """Return ``PATH(n, D[size])`` of RFC 6962 section 2.1.1: the siblings from leaf ``n`` up to the root.

    Raises:
        MerkleError: ``index_out_of_range`` unless ``0 <= n < size``.
    """
    _check_index(n, size)
    return _path(n, 0, size, read_node)


def consistency_proof(old: int, new: int, read_node: ReadNode) -> list[bytes]:
    """Return ``PROOF(old, D[new])`` of RFC 6962 section 2.1.2; empty when ``old`` is 0 or equals ``new``.

    Raises:
        MerkleError: ``size_out_of_range`` unless ``0 <= old <= new``.
    """
    _check_sizes(old, new)
    if old == 0:
        return []  # every tree extends the empty one; RFC 6962 defines no proof for it
    return _subproof(old, 0, new, read_node, whole=True)


def verify_inclusion(n: int, size: int, leaf: bytes, proof: Sequence[bytes], expected_root: bytes) -> None:
    """Check that ``leaf`` is leaf ``n`` of the tree, by RFC 9162 section 2.1.3.2.

    Raises:
        MerkleError: ``index_out_of_range``, ``proof_length`` or ``inclusion_root``.
    """
    _check_index(n, size)
    position, last, found = n, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise MerkleError("the inclusion proof is longer than the tree is high", code="proof_length")
        if position & 1 or position == last:
            found = node_hash(sibling, found)
            position, last = _skip_absent_siblings(position, last)
        else:
            found = node_hash(found, sibling)
        position, last = position >> 1, last >> 1
    if last != 0:
        raise MerkleError("the inclusion proof stops below the root", code="proof_length")
    if found != expected_root:
        raise MerkleError(f"the inclusion proof of leaf {n} leads to another root", code="inclusion_root")


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Check that the tree of ``old`` leaves is a prefix of that of ``new``, by RFC 9162 section 2.1.4.2.

    Raises:
        MerkleError: ``size_out_of_range``, ``proof_length``, ``consistency_old_root`` or
            ``consistency_new_root``.
    """
    _check_sizes(old, new)
    if old in (0, new):
        _verify_trivial_consistency(old, new, old_root, new_root, proof)
        return
    # A tree of 2**k leaves is itself a node of the new tree, which the proof therefore leaves out.
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not path:
        raise MerkleError("the consistency proof is empty", code="proof_length")
    position, last = old - 1, new - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    found_old = found_new = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise MerkleError("the consistency proof is longer than the tree is high", code="proof_length")
        if position & 1 or position == last:
            found_old, found_new = node_hash(sibling, found_old), node_hash(sibling, found_new)
            position, last = _skip_absent_siblings(position, last)
        else:
            found_new = node_hash(found_new, sibling)
        position, last = position >> 1, last >> 1
    if last != 0:
        raise MerkleError("the consistency proof stops below the root", code="proof_length")
    _compare_roots(found_old, found_new, old_root, new_root)


def _range_root(begin: int, end: int, read_node: ReadNode) -> bytes:
    """Hash of the leaves from ``begin`` to ``end``, a range that RFC 6962's splitting makes."""
    width = end - begin
    if width & (width - 1) == 0:
        level = width.bit_length() - 1
        return read_node(level, begin >> level)
    middle = _split(begin, end)
    return node_hash(_range_root(begin, middle, read_node), _range_root(middle, end, read_node))


def _path(n: int, begin: int, end: int, read_node: ReadNode) -> list[bytes]:
    if end - begin == 1:
        return []
    middle = _split(begin, end)
    if n < middle:
        return [*_path(n, begin, middle, read_node), _range_root(middle, end, read_node)]
    return [*_path(n, middle, end, read_node), _range_root(begin, middle, read_node)]


def _subproof(old: int, begin: int, end: int, read_node: ReadNode, *, whole: bool) -> list[bytes]:
    """``SUBPROOF`` of RFC 6962; ``whole`` while the old tree's root is still one that the verifier has."""
    if old == end:
        return [] if whole else [_range_root(begin, end, read_node)]
    middle = _split(begin, end)
    if old <= middle:
        proof = _subproof(old, begin, middle, read_node, whole=whole)
        return [*proof, _range_root(middle, end, read_node)]
    proof = _subproof(old, middle, end, read_node, whole=False)
    return [*proof, _range_root(begin, middle, read_node)]


def _split(begin: int, end: int) -> int:
    """Where RFC 6962 splits a range: after the largest power of two smaller than its width."""
    return begin + (1 << (end - begin - 1).bit_length() - 1)


def _skip_absent_siblings(position: int, last: int) -> tuple[int, int]:
    """Climb the levels at which the rightmost node has no sibling."""
    while position and not position & 1:
        position, last = position >> 1, last >> 1
    return position, last


def _verify_trivial_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> None:
    if proof:
        raise MerkleError("a consistency proof from nothing, or to the same size, is empty", code="proof_length")
    found_old = EMPTY_ROOT if old == 0 else new_root
    found_new = EMPTY_ROOT if new == 0 else new_root
    _compare_roots(found_old, found_new, old_root, new_root)


def _compare_roots(found_old: bytes, found_new: bytes, old_root: bytes, new_root: bytes) -> None:
    if found_old != old_root:
        raise MerkleError("the consistency proof leads to another old root", code="consistency_old_root")
    if found_new != new_root:
        raise MerkleError("the consistency proof leads to another new root", code="consistency_new_root")


def _check_index(n: int, size: int) -> None:
    if not 0 <= n < size:
        raise MerkleError(f"a tree of {size} leaves has no leaf {n}", code="index_out_of_range")


def _check_sizes(old: int, new: int) -> None:
    if not 0 <= old <= new:
        raise MerkleError(f"a tree of {new} leaves never had {old}", code="size_out_of_range")
