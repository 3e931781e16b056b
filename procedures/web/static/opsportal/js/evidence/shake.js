// SHAKE128 and SHAKE256 (FIPS 202): the browser has none.
const MASK = 2n ** 64n - 1n, ROUNDS = [], TURNS = [];
const turned = (value, by) => (by ? ((value << BigInt(by)) | (value >> BigInt(64 - by))) & MASK : value);

for (let round = 0, register = 1; round < 24; round++) {
  let constant = 0n;
  for (let bit = 0; bit < 7; bit++) {
    if (register & 1) constant |= 1n << ((1n << BigInt(bit)) - 1n);
    register = (register << 1) ^ (register >> 7 ? 0x171 : 0);
  }
  ROUNDS.push(constant);
}
for (let turn = 0, x = 1, y = 0; turn < 24; turn++) {
  TURNS[x + 5 * y] = (((turn + 1) * (turn + 2)) / 2) % 64;
  [x, y] = [y, (2 * x + 3 * y) % 5];
}
TURNS[0] = 0;

function permuted(lanes) {
  let a = lanes;
  for (const constant of ROUNDS) {
    const column = [0, 1, 2, 3, 4].map((x) => a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20]);
    const mixed = column.map((_, x) => column[(x + 4) % 5] ^ turned(column[(x + 1) % 5], 1)), b = [];
    for (let x = 0; x < 5; x++) {
      for (let y = 0; y < 5; y++) b[y + 5 * ((2 * x + 3 * y) % 5)] = turned(a[x + 5 * y] ^ mixed[x], TURNS[x + 5 * y]);
    }
    a = b.map((one, at) => one ^ (~b[((at + 1) % 5) + at - (at % 5)] & MASK & b[((at + 2) % 5) + at - (at % 5)]));
    a[0] ^= constant;
  }
  return a;
}

// `size` bytes; `rate` is 168 for SHAKE128 and 136 for SHAKE256.
export function shake(rate, data, size) {
  const padded = new Uint8Array(Math.ceil((data.length + 1) / rate) * rate), found = new Uint8Array(Math.ceil(size / rate) * rate);
  padded.set(data);
  padded[data.length] = 0x1f;
  padded[padded.length - 1] |= 0x80;
  let lanes = Array(25).fill(0n);
  const view = new DataView(padded.buffer), out = new DataView(found.buffer);
  for (let block = 0; block < padded.length; block += rate) {
    for (let at = 0; at < rate / 8; at++) lanes[at] ^= view.getBigUint64(block + 8 * at, true);
    lanes = permuted(lanes);
  }
  for (let block = 0; block < size; block += rate) {
    if (block) lanes = permuted(lanes);
    for (let at = 0; at < rate / 8; at++) out.setBigUint64(block + 8 * at, lanes[at], true);
  }
  return found.subarray(0, size);
}
