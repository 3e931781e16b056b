// ML-DSA-44 (FIPS 204), verification alone: no browser offers it to scripts yet.
import { joined, same } from "./bytes.js";
import { shake } from "./shake.js";

const Q = 8380417, SIDE = 4, GAMMA1 = 1 << 17, GAMMA2 = (Q - 1) / 88, BETA = 78, OMEGA = 80, WEIGHT = 39;
const ZETAS = Array.from({ length: 256 }, (_, at) => power(1753, parseInt(at.toString(2).padStart(8, "0").split("").reverse().join(""), 2)));
const mod = (value) => ((value % Q) + Q) % Q;

function power(base, exponent) {
  let found = 1;
  for (let turn = 0; turn < exponent; turn++) found = (found * base) % Q;
  return found;
}

function ntt(poly) {
  const w = [...poly];
  for (let size = 128, m = 0; size; size >>= 1) {
    for (let start = 0; start < 256; start += 2 * size) {
      const zeta = ZETAS[++m];
      for (let j = start; j < start + size; j++) {
        const t = (zeta * w[j + size]) % Q;
        w[j + size] = mod(w[j] - t);
        w[j] = mod(w[j] + t);
      }
    }
  }
  return w;
}

function back(poly) {
  const w = [...poly];
  for (let size = 1, m = 256; size < 256; size <<= 1) {
    for (let start = 0; start < 256; start += 2 * size) {
      const zeta = Q - ZETAS[--m];
      for (let j = start; j < start + size; j++) {
        const t = w[j];
        w[j] = (t + w[j + size]) % Q;
        w[j + size] = (zeta * mod(t - w[j + size])) % Q;
      }
    }
  }
  return w.map((one) => (8347681 * one) % Q);
}

// 256 numbers of so many bits each, the lowest bits first.
function fields(data, bits) {
  const found = [];
  let held = 0, have = 0;
  for (const byte of data) {
    held += byte * 2 ** have;
    have += 8;
    while (have >= bits) {
      found.push(held % 2 ** bits);
      held = Math.floor(held / 2 ** bits);
      have -= bits;
    }
  }
  return found;
}

function sampled(seed) {
  for (let size = 840; ; size += 168) {
    const data = shake(168, seed, size), found = [];
    for (let at = 0; at < size && found.length < 256; at += 3) {
      const one = data[at] | (data[at + 1] << 8) | ((data[at + 2] & 127) << 16);
      if (one < Q) found.push(one);
    }
    if (found.length === 256) return found;
  }
}

function ball(seed) {
  const data = shake(136, seed, 1088), c = Array(256).fill(0);
  for (let i = 256 - WEIGHT, at = 8, bit = 0; i < 256; i++, at++, bit++) {
    while (data[at] > i) at++;
    c[i] = c[data[at]];
    c[data[at]] = (data[bit >> 3] >> (bit & 7)) & 1 ? -1 : 1;
  }
  return c;
}

// In its one form, or null.
function hints(data) {
  const found = [];
  let at = 0;
  for (const end of data.subarray(OMEGA)) {
    if (end < at || end > OMEGA) return null;
    for (let i = at; i < end - 1; i++) if (data[i] >= data[i + 1]) return null;
    found.push(new Set(data.subarray(at, end)));
    at = end;
  }
  return data.subarray(at, OMEGA).some(Boolean) ? null : found;
}

function hinted(r, hint) {
  let low = r % (2 * GAMMA2), high;
  if (low > GAMMA2) low -= 2 * GAMMA2;
  if (r - low === Q - 1) [high, low] = [0, low - 1];
  else high = (r - low) / (2 * GAMMA2);
  return hint ? (high + (low > 0 ? 1 : 43)) % 44 : high;
}

const sides = [0, 1, 2, 3];

// Whether a key of 1,312 bytes signed a message: algorithms 3 and 8.
export function mldsa44(key, message, signature, context = new Uint8Array(0)) {
  if (key.length !== 1312 || signature.length !== 2420 || context.length > 255) return false;
  const z = sides.map((s) => fields(signature.subarray(32 + 576 * s, 608 + 576 * s), 18).map((one) => GAMMA1 - one));
  const told = hints(signature.subarray(2336));
  if (told === null || z.some((poly) => poly.some((one) => Math.abs(one) >= GAMMA1 - BETA))) return false;
  const mu = shake(136, joined(shake(136, key, 64), Uint8Array.of(0, context.length), context, message), 64);
  const c = ntt(ball(signature.subarray(0, 32))), lent = z.map(ntt), bits = [];
  for (const r of sides) {
    const t1 = ntt(fields(key.subarray(32 + 320 * r, 352 + 320 * r), 10).map((one) => one << 13));
    const rows = sides.map((s) => sampled(joined(key.subarray(0, 32), Uint8Array.of(s, r))));
    const w = back(t1.map((one, i) => mod(sides.reduce((sum, s) => sum + mod(rows[s][i] * lent[s][i]), 0) - mod(c[i] * one))));
    w.forEach((one, i) => bits.push(hinted(one, told[r].has(i))));
  }
  const packed = new Uint8Array(SIDE * 192);
  bits.forEach((one, i) => {
    const place = (6 * i) >> 3, shift = (6 * i) & 7;
    packed[place] |= one << shift;
    if (shift > 2) packed[place + 1] |= one >> (8 - shift);
  });
  return same(shake(136, joined(mu, packed), 32), signature.subarray(0, 32));
}
