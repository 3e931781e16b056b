// RFC 6962 trees: roots, and the proofs of RFC 9162.
import { same } from "./bytes.js";
import { sha256 } from "./sha256.js";

const LEAF = Uint8Array.of(0), NODE = Uint8Array.of(1), NOTHING = new Uint8Array(0);
export const leaf = (data) => sha256(LEAF, data);
export const node = (left, right) => sha256(NODE, left, right);

export class Tree {
  constructor() {
    this.size = 0;
    this.edge = [];
  }

  add(value) {
    for (let index = this.size; index % 2; index = Math.floor(index / 2)) value = node(this.edge.pop(), value);
    this.edge.push(value);
    this.size++;
  }

  root() {
    if (!this.edge.length) return sha256(NOTHING);
    return this.edge.slice(0, -1).reduceRight((root, left) => node(left, root), this.edge.at(-1));
  }
}

const half = (number) => Math.floor(number / 2);

// RFC 9162, 2.1.3.2.
export function included(value, index, size, proof, root) {
  if (!(index >= 0 && index < size)) return false;
  let fn = index, sn = size - 1;
  for (const p of proof) {
    if (sn === 0) return false;
    if (fn % 2 || fn === sn) {
      value = node(p, value);
      while (fn && fn % 2 === 0) [fn, sn] = [half(fn), half(sn)];
    } else {
      value = node(value, p);
    }
    [fn, sn] = [half(fn), half(sn)];
  }
  return sn === 0 && same(value, root);
}

// RFC 9162, 2.1.4.2: the tree of `old` leaves is the beginning of that of `size`.
export function consistent(old, size, first, second, proof) {
  if (old === size) return same(first, second) && !proof.length;
  if (old > size) return false;
  if (old === 0) return !proof.length;
  let fn = old - 1, sn = size - 1;
  while (fn % 2) [fn, sn] = [half(fn), half(sn)];
  const path = fn ? [...proof] : [first, ...proof];
  if (!path.length) return false;
  let a = path[0], b = path[0];
  for (const c of path.slice(1)) {
    if (sn === 0) return false;
    if (fn % 2 || fn === sn) {
      [a, b] = [node(c, a), node(c, b)];
      while (fn && fn % 2 === 0) [fn, sn] = [half(fn), half(sn)];
    } else {
      b = node(b, c);
    }
    [fn, sn] = [half(fn), half(sn)];
  }
  return sn === 0 && same(a, first) && same(b, second);
}
