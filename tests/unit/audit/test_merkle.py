"""The broker's tree against RFC 6962, pymerkle, the connectors' own code, and tampering."""

import hashlib
from collections.abc import Sequence

import pymerkle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import tlog
from connectors.tlog import Checkpoint, Frontier, LogError
from service.audit import merkle
from service.audit.merkle import MerkleError

# The leaves, roots and proofs that Certificate Transparency implementations test with.
LEAVES = [
    bytes.fromhex(data)
    for data in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    bytes.fromhex(root)
    for root in (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    )
]
INCLUSION = {  # (n, size): proof
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
CONSISTENCY = {  # (old, new): proof
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}


class Tree:
    """Complete subtrees in a dict, and how often they are read."""

    def __init__(self, datas: Sequence[bytes]) -> None:
        self.size = 0
        self.reads = 0
        self.nodes: dict[tuple[int, int], bytes] = {}
        self.leaves = [merkle.leaf_hash(data) for data in datas]
        for leaf in self.leaves:
            for level, index, found in merkle.append(self.size, self.read, leaf):
                assert (level, index) not in self.nodes
                self.nodes[level, index] = found
            self.size += 1

    def read(self, level: int, index: int) -> bytes:
        self.reads += 1
        return self.nodes[level, index]

    def root(self, size: int) -> bytes:
        return merkle.root(size, self.read)


def numbered(size: int) -> Tree:
    return Tree([b"%d" % n for n in range(size)])


def naive_root(leaves: list[bytes]) -> bytes:
    """``MTH`` as RFC 6962 section 2.1 defines it, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + naive_root(leaves[:k]) + naive_root(leaves[k:])).digest()


sizes = st.integers(min_value=1, max_value=70)


@pytest.mark.parametrize("size", range(9))
def test_roots_are_the_published_ones(size: int) -> None:
    assert Tree(LEAVES).root(size) == ROOTS[size]
    frontier = Frontier()
    for data in LEAVES[:size]:
        frontier.add(tlog.leaf_hash(data))
    assert frontier.root() == ROOTS[size]


@pytest.mark.parametrize(("n", "size"), INCLUSION)
def test_inclusion_proofs_are_the_published_ones(n: int, size: int) -> None:
    proof = merkle.inclusion_proof(n, size, Tree(LEAVES).read)
    assert [found.hex() for found in proof] == INCLUSION[n, size]
    merkle.verify_inclusion(n, size, merkle.leaf_hash(LEAVES[n]), proof, ROOTS[size])


@pytest.mark.parametrize(("old", "new"), CONSISTENCY)
def test_consistency_proofs_are_the_published_ones(old: int, new: int) -> None:
    proof = merkle.consistency_proof(old, new, Tree(LEAVES).read)
    assert [found.hex() for found in proof] == CONSISTENCY[old, new]
    merkle.verify_consistency(old, new, ROOTS[old], ROOTS[new], proof)


@given(st.lists(st.binary(max_size=40), max_size=40))
def test_roots_agree_with_the_definition_and_with_pymerkle(datas: list[bytes]) -> None:
    tree, other = Tree(datas), pymerkle.InmemoryTree(algorithm="sha256")
    for data in datas:
        other.append_entry(data)
    assert tree.root(tree.size) == naive_root(tree.leaves)
    if datas:
        assert tree.root(tree.size) == other.get_root()


def test_a_batch_makes_the_nodes_that_single_appends_make() -> None:
    whole = numbered(37)
    before = numbered(11)
    made = merkle.append_all(11, before.read, whole.leaves[11:])
    assert {(level, index): found for level, index, found in made} == {
        key: found for key, found in whole.nodes.items() if key not in before.nodes
    }


def test_storage_is_read_once_a_level_at_most_twice() -> None:
    tree = numbered(1000)
    for job in (
        lambda: merkle.root(1000, tree.read),
        lambda: merkle.inclusion_proof(3, 1000, tree.read),
        lambda: merkle.consistency_proof(333, 1000, tree.read),
        lambda: merkle.append(1000, tree.read, tree.leaves[0]),
    ):
        tree.reads = 0
        job()
        assert tree.reads <= 2 * 10


@given(sizes, st.data())
def test_every_inclusion_proof_verifies_in_both_codes(size: int, data: st.DataObject) -> None:
    tree = numbered(size)
    n = data.draw(st.integers(0, size - 1))
    proof = merkle.inclusion_proof(n, size, tree.read)
    merkle.verify_inclusion(n, size, tree.leaves[n], proof, tree.root(size))
    tlog.verify_inclusion(n, tree.leaves[n], proof, checkpoint(tree, size))


@given(sizes, st.data())
def test_every_consistency_proof_verifies_in_both_codes(new: int, data: st.DataObject) -> None:
    tree = numbered(new)
    old = data.draw(st.integers(0, new))
    proof = merkle.consistency_proof(old, new, tree.read)
    merkle.verify_consistency(old, new, tree.root(old), tree.root(new), proof)
    tlog.verify_consistency(checkpoint(tree, old), checkpoint(tree, new), proof)


def flipped(value: bytes, bit: int) -> bytes:
    return bytes(byte ^ (1 << bit % 8 if place == bit // 8 else 0) for place, byte in enumerate(value))


bits = st.integers(0, 255)


@given(sizes, bits, st.data())
def test_an_inclusion_proof_with_one_bit_flipped_fails(size: int, bit: int, data: st.DataObject) -> None:
    tree = numbered(size)
    n = data.draw(st.integers(0, size - 1))
    parts = [tree.leaves[n], tree.root(size), *merkle.inclusion_proof(n, size, tree.read)]
    place = data.draw(st.integers(0, len(parts) - 1))
    parts[place] = flipped(parts[place], bit)
    leaf, root, *proof = parts
    assert refuses_inclusion(n, size, leaf, proof, root)


@given(sizes, bits, st.data())
def test_a_consistency_proof_with_one_bit_flipped_fails(new: int, bit: int, data: st.DataObject) -> None:
    tree = numbered(new)
    old = data.draw(st.integers(1, new))
    parts = [tree.root(old), tree.root(new), *merkle.consistency_proof(old, new, tree.read)]
    place = data.draw(st.integers(0, len(parts) - 1))
    parts[place] = flipped(parts[place], bit)
    old_root, new_root, *proof = parts
    assert refuses_consistency(old, new, old_root, new_root, proof)


@given(sizes, st.data())
def test_an_inclusion_proof_is_of_one_position_only(size: int, data: st.DataObject) -> None:
    tree = numbered(size)
    n = data.draw(st.integers(0, size - 1))
    other = data.draw(st.integers(-1, size + 1).filter(lambda other: other != n))
    proof = merkle.inclusion_proof(n, size, tree.read)
    assert refuses_inclusion(other, size, tree.leaves[n], proof, tree.root(size))


@given(sizes, st.data())
def test_an_inclusion_proof_is_of_one_tree_only(size: int, data: st.DataObject) -> None:
    tree = numbered(71)
    n = data.draw(st.integers(0, size - 1))
    other = data.draw(st.integers(0, 71).filter(lambda other: other != size))
    proof = merkle.inclusion_proof(n, size, tree.read)
    assert refuses_inclusion(n, other, tree.leaves[n], proof, tree.root(other))


@given(sizes, st.data())
def test_a_consistency_proof_is_of_two_trees_only(new: int, data: st.DataObject) -> None:
    tree = numbered(71)
    old = data.draw(st.integers(1, new))
    proof = merkle.consistency_proof(old, new, tree.read)
    other = data.draw(st.integers(0, 71).filter(lambda other: other != old))
    assert refuses_consistency(old, new, tree.root(other), tree.root(new), proof)
    other = data.draw(st.integers(0, 71).filter(lambda other: other != new))
    assert refuses_consistency(old, new, tree.root(old), tree.root(other), proof)


@given(sizes, st.booleans(), st.data())
def test_a_proof_with_a_hash_too_many_or_too_few_fails(size: int, longer: bool, data: st.DataObject) -> None:
    tree = numbered(size)
    n = data.draw(st.integers(0, size - 1))
    proof = merkle.inclusion_proof(n, size, tree.read)
    if longer or proof:
        changed = [*proof, tree.leaves[0]] if longer else proof[:-1]
        assert refuses_inclusion(n, size, tree.leaves[n], changed, tree.root(size))
    proof = merkle.consistency_proof(n, size, tree.read)
    if longer or proof:
        changed = [*proof, tree.leaves[0]] if longer else proof[:-1]
        assert refuses_consistency(n, size, tree.root(n), tree.root(size), changed)


def test_an_inner_node_cannot_pose_as_a_leaf() -> None:
    left, right = merkle.leaf_hash(b"a"), merkle.leaf_hash(b"b")
    assert merkle.leaf_hash(left + right) != merkle.node_hash(left, right)
    assert tlog.leaf_hash(left + right) != Tree([b"a", b"b"]).root(2)


def test_failures_name_the_check() -> None:
    tree = numbered(6)
    proof = merkle.consistency_proof(3, 6, tree.read)
    wrong = merkle.leaf_hash(b"wrong")
    cases = {
        "index_out_of_range": lambda: merkle.inclusion_proof(6, 6, tree.read),
        "size_out_of_range": lambda: merkle.consistency_proof(7, 6, tree.read),
        "proof_length": lambda: merkle.verify_consistency(3, 6, tree.root(3), tree.root(6), []),
        "inclusion_root": lambda: merkle.verify_inclusion(
            1, 6, wrong, merkle.inclusion_proof(1, 6, tree.read), tree.root(6)
        ),
        "consistency_old_root": lambda: merkle.verify_consistency(3, 6, wrong, tree.root(6), proof),
        "consistency_new_root": lambda: merkle.verify_consistency(3, 6, tree.root(3), wrong, proof),
    }
    for code, job in cases.items():
        with pytest.raises(MerkleError) as caught:
            job()
        assert caught.value.code == code
    with pytest.raises(MerkleError):
        merkle.root(-1, tree.read)


def test_every_tree_extends_the_empty_one_and_only_that() -> None:
    tree = numbered(5)
    merkle.verify_consistency(0, 5, merkle.EMPTY_ROOT, tree.root(5), [])
    merkle.verify_consistency(0, 0, merkle.EMPTY_ROOT, merkle.EMPTY_ROOT, [])
    assert refuses_consistency(0, 5, tree.root(1), tree.root(5), [])
    assert refuses_consistency(5, 4, tree.root(5), tree.root(4), [])


def checkpoint(tree: Tree, size: int) -> Checkpoint:
    return Checkpoint("broker.example/log", size, tree.root(size), "")


def refuses_inclusion(n: int, size: int, leaf: bytes, proof: list[bytes], root: bytes) -> bool:
    """Both codes refuse, or the test fails on the one that does not."""
    with pytest.raises(MerkleError):
        merkle.verify_inclusion(n, size, leaf, proof, root)
    with pytest.raises(LogError, match="entr"):
        tlog.verify_inclusion(n, leaf, proof, Checkpoint("broker.example/log", size, root, ""))
    return True


def refuses_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: list[bytes]) -> bool:
    with pytest.raises(MerkleError):
        merkle.verify_consistency(old, new, old_root, new_root, proof)
    earlier, later = (Checkpoint("broker.example/log", *pair, "") for pair in ((old, old_root), (new, new_root)))
    with pytest.raises(LogError):
        tlog.verify_consistency(earlier, later, proof)
    return True
