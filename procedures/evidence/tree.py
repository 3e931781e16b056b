"""RFC 6962 Merkle trees over SHA-256: roots, inclusion and consistency proofs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

EMPTY = hashlib.sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """The roots of the full subtrees of a growing tree, left to right; appending costs O(1) on average."""

    def __init__(self, size: int = 0, stack: Sequence[bytes] = ()) -> None:
        self.size = size
        self.stack = list(stack)

    def append(self, hash: bytes) -> list[tuple[int, int, bytes]]:
        """Add a leaf hash; the (level, index, hash) of every subtree that became full, leaf first."""
        level, index = 0, self.size
        full = [(0, index, hash)]
        self.size += 1
        while index & 1:
            hash = node_hash(self.stack.pop(), hash)
            level, index = level + 1, index >> 1
            full.append((level, index, hash))
        self.stack.append(hash)
        return full

    def root(self) -> bytes:
        if not self.stack:
            return EMPTY
        root = self.stack[-1]
        for left in reversed(self.stack[:-1]):
            root = node_hash(left, root)
        return root


def root_of(hashes: Sequence[bytes]) -> bytes:
    """The root over leaf hashes (already hashed with the 0x00 prefix, or commitments used as leaves)."""
    frontier = Frontier()
    for hash in hashes:
        frontier.append(hash)
    return frontier.root()


Range = Callable[[int, int], bytes]


def ranges(hashes: Sequence[bytes]) -> Range:
    """A function that gives the root over leaves [start, end)."""
    return lambda start, end: root_of(hashes[start:end])


def _split(size: int) -> int:
    """The largest power of two smaller than `size`."""
    return 1 << ((size - 1).bit_length() - 1)


def inclusion(index: int, size: int, root: Range, *, start: int = 0) -> list[bytes]:
    """The audit path of leaf `index` in a tree of `size` leaves (RFC 6962, 2.1.1), leaf side first."""
    if not 0 <= index < size:
        raise ValueError(f"there is no leaf {index} in a tree of {size}")
    if size == 1:
        return []
    k = _split(size)
    if index < k:
        return [*inclusion(index, k, root, start=start), root(start + k, start + size)]
    return [*inclusion(index - k, size - k, root, start=start + k), root(start, start + k)]


def consistency(old: int, new: int, root: Range) -> list[bytes]:
    """The proof that the tree of `old` leaves is a prefix of that of `new` (RFC 6962, 2.1.2)."""
    if not 0 <= old <= new:
        raise ValueError(f"{old} is not a size before {new}")
    return [] if old in (0, new) else _subproof(old, new, root, 0, whole=True)


def _subproof(m: int, n: int, root: Range, start: int, *, whole: bool) -> list[bytes]:
    if m == n:
        return [] if whole else [root(start, start + n)]
    k = _split(n)
    if m <= k:
        return [*_subproof(m, k, root, start, whole=whole), root(start + k, start + n)]
    return [*_subproof(m - k, n - k, root, start + k, whole=False), root(start, start + k)]


def verify_inclusion(hash: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """RFC 9162, 2.1.3.2."""
    if index >= size:
        return False
    fn, sn, r = index, size - 1, hash
    for p in proof:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            r = node_hash(p, r)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node_hash(r, p)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and r == root


def verify_consistency(old: int, new: int, first: bytes, second: bytes, proof: Sequence[bytes]) -> bool:
    """RFC 9162, 2.1.4.2."""
    if old == new:
        return first == second and not proof
    if old == 0:
        return not proof
    path = list(proof) if old & (old - 1) else [first, *proof]
    if not path:
        return False
    fn, sn = old - 1, new - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for c in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = node_hash(c, fr), node_hash(c, sr)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node_hash(sr, c)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and fr == first and sr == second
