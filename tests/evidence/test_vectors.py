"""Vectors that other implementations of RFC 6962 share, and every small tree against the definition."""

from __future__ import annotations

import pytest

from procedures.evidence import tree, verify
from tests.factories.tile_client import mth

WORDS = ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
LEAVES = [bytes.fromhex(word) for word in WORDS]
HASHES = [tree.leaf_hash(leaf) for leaf in LEAVES]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
A = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
B = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
C = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
D = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
E = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
F = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
G = "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f"
# (leaf, counted from one; size; path) and (old size; new size; proof).
INCLUSION = [(1, 1, []), (1, 8, [A, B, C]), (6, 8, [D, E, ROOTS[3]]), (3, 3, [ROOTS[1]]), (2, 5, [ROOTS[0], B, D])]
CONSISTENCY = [(1, 1, []), (1, 8, [A, B, C]), (6, 8, [F, E, ROOTS[3]]), (2, 5, [B, D]), (6, 7, [F, G, ROOTS[3]])]
MANY = [tree.leaf_hash(bytes([i])) for i in range(140)]


def hexed(proof: list[bytes]) -> list[str]:
    return [one.hex() for one in proof]


def test_an_empty_tree_is_the_hash_of_nothing() -> None:
    assert tree.root_of([]).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_the_shared_vectors(size: int) -> None:
    assert tree.root_of(HASHES[:size]).hex() == verify.root_of(HASHES[:size]).hex() == ROOTS[size - 1]


@pytest.mark.parametrize(("leaf", "size", "path"), INCLUSION)
def test_inclusion_proofs_are_those_of_the_shared_vectors(leaf: int, size: int, path: list[str]) -> None:
    assert hexed(tree.inclusion(leaf - 1, size, tree.ranges(HASHES[:size]))) == path
    proof, root = [bytes.fromhex(one) for one in path], bytes.fromhex(ROOTS[size - 1])
    for check in (tree.verify_inclusion, verify.included):
        assert check(HASHES[leaf - 1], leaf - 1, size, proof, root)
        bad = [
            (leaf, size, proof, root),
            (leaf - 1, size * 2, proof, root),
            (leaf - 1, size, [*proof, root], root),
            (leaf - 1, size, [root, *proof], root),
            (leaf - 1, size, proof, tree.EMPTY),
            *([(leaf - 1, size, proof[:-1], root)] if proof else []),
            *((leaf - 1, size, [*proof[:at], flip(proof[at]), *proof[at + 1 :]], root) for at in range(len(proof))),
        ]
        assert not any(check(HASHES[leaf - 1], *row) for row in bad)


@pytest.mark.parametrize(("old", "new", "path"), CONSISTENCY)
def test_consistency_proofs_are_those_of_the_shared_vectors(old: int, new: int, path: list[str]) -> None:
    assert hexed(tree.consistency(old, new, tree.ranges(HASHES[:new]))) == path
    proof, first, second = [bytes.fromhex(one) for one in path], *(bytes.fromhex(ROOTS[n - 1]) for n in (old, new))
    assert tree.verify_consistency(old, new, first, second, proof)
    if not proof:
        return
    bad = [
        (old + 1, new, first, second, proof),
        (old, new * 2, first, second, proof),
        (old, new, second, first, proof),
        (old, new, first, second, []),
        (old, new, first, second, [*proof, first]),
        (old, new, first, second, [first, *proof]),
        (old, new, first, second, proof[:-1]),
        *((old, new, first, second, [*proof[:at], flip(proof[at]), *proof[at + 1 :]]) for at in range(len(proof))),
    ]
    assert not any(tree.verify_consistency(*row) for row in bad)


def flip(hash: bytes) -> bytes:
    return bytes([hash[0] ^ 8]) + hash[1:]


@pytest.mark.once
def test_every_old_and_new_size_up_to_140_agrees_with_the_definition() -> None:
    """Roots by the recursive definition; each proof is made, holds, and holds for no neighbouring size or place."""
    roots = [mth(MANY[:n]) for n in range(141)]
    known: dict[tuple[int, int], bytes] = {}

    def cut(start: int, end: int) -> bytes:
        return known.setdefault((start, end), mth(MANY[start:end]))

    for n in range(1, 141):
        for m in range(n):
            path = tree.inclusion(m, n, cut)
            assert tree.verify_inclusion(MANY[m], m, n, path, roots[n])
            assert verify.included(MANY[m], m, n, path, roots[n])
            assert not tree.verify_inclusion(MANY[m], m ^ 1, n, path, roots[n])
            proof = tree.consistency(m, n, cut)
            assert tree.verify_consistency(m, n, roots[m], roots[n], proof)
            assert m == 0 or not tree.verify_consistency(m, n, roots[m - 1], roots[n], proof)
