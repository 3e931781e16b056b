// A canonical ZIP, read piece by piece from a file: stored, sorted, with fixed metadata; each deviation is malformed.
import { Failed, hex, joined, looseText } from "./bytes.js";
import { Sha256 } from "./sha256.js";

const CHUNK = 1 << 20;
const LONGEST = 1 << 26;
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? (byte >>> 1) ^ 0xedb88320 : byte >>> 1;
  return byte;
});

function crc32(data, crc) {
  crc = ~crc;
  for (let at = 0; at < data.length; at++) crc = TABLE[(crc ^ data[at]) & 255] ^ (crc >>> 8);
  return ~crc >>> 0;
}

// Numbers of the sizes that the letters say (H: 2 bytes, I: 4), least byte first.
function packed(kinds, ...numbers) {
  const view = new DataView(new ArrayBuffer([...kinds].reduce((size, kind) => size + (kind === "H" ? 2 : 4), 0)));
  let at = 0;
  for (const [i, kind] of [...kinds].entries()) {
    if (kind === "H") view.setUint16(at, numbers[i], true);
    else view.setUint32(at, numbers[i], true);
    at += kind === "H" ? 2 : 4;
  }
  return new Uint8Array(view.buffer);
}

const HEAD = packed("I", 0x04034b50), CENTRAL = packed("I", 0x02014b50), END = packed("I", 0x06054b50);
const ascii = (text) => Uint8Array.from(text, (one) => one.charCodeAt(0));
const entry = ({ name, crc, size }) => packed("HHHHHIIIHH", 20, 0x800, 0, 0, 0x21, crc, size, size, name.length, 0);
const equal = (a, b) => a.length === b.length && a.every((byte, at) => byte === b[at]);

// All that follows the members.
function directory(rows) {
  let offset = 0;
  const central = [];
  for (const row of rows) {
    central.push(CENTRAL, packed("H", 20), entry(row), packed("HHHII", 0, 0, 0, 0, offset), ascii(row.name));
    offset += 30 + row.name.length + row.size;
  }
  const whole = joined(...central);
  return joined(whole, END, packed("HHHHIIH", 0, 0, rows.length, rows.length, whole.length, offset, 0));
}

export class Pack {
  constructor(file) {
    this.file = file;
    this.places = new Map();
    this.digests = new Map();
  }

  // `told` is called with the share that was read, now and then.
  static async open(file, told = () => {}) {
    const pack = new Pack(file), rows = [];
    let at = 0, last = "";
    for (;;) {
      const head = await pack.at(at, 30);
      if (!equal(head.subarray(0, 4), HEAD)) break;
      const row = await pack.member(at, head, last);
      rows.push(row);
      [at, last] = [at + 30 + row.name.length + row.size, row.name];
      told(at / file.size);
    }
    const rest = directory(rows);
    if (!rows.length || !equal(await pack.at(at, rest.length + 1), rest)) {
      throw new Failed("container", "is not the canonical ZIP of its members", 2);
    }
    return pack;
  }

  async member(at, head, last) {
    if (head.length < 30) throw new Failed("container", "ends inside a header", 2);
    const view = new DataView(head.buffer, head.byteOffset), length = view.getUint16(26, true);
    const raw = await this.at(at + 30, length);
    if (raw.length !== length || raw.some((byte) => byte > 127)) {
      throw new Failed("container", `a member's name after ${last || "the start"} is not ASCII`, 2);
    }
    const row = { name: looseText(raw), crc: view.getUint32(14, true), size: view.getUint32(22, true) };
    if (!equal(head.subarray(4), entry(row))) throw new Failed(row.name, "its header is not the canonical one", 2);
    const place = at + 30 + length;
    this.places.set(row.name, [place, row.size]);
    let crc = 0;
    const digest = new Sha256();
    for await (const chunk of this.chunks(row.name)) {
      digest.update(chunk);
      crc = crc32(chunk, crc);
    }
    this.digests.set(row.name, hex(digest.digest()));
    if (row.name <= last || place + row.size > this.file.size) throw new Failed(row.name, "is out of order or longer than the pack", 2);
    if (crc !== row.crc) throw new Failed(row.name, "its bytes were changed (CRC)", 2);
    return row;
  }

  async at(place, size) {
    return new Uint8Array(await this.file.slice(place, place + size).arrayBuffer());
  }

  async *chunks(name) {
    const [place, size] = this.places.get(name), end = Math.min(place + size, this.file.size);
    for (let start = place; start < end; start += CHUNK) yield await this.at(start, Math.min(CHUNK, end - start));
  }

  async read(name) {
    return this.at(...this.places.get(name));
  }

  // Lines of a member without their ends, many at a time; a last one without an end is malformed.
  async *lines(name) {
    let rest = new Uint8Array(0);
    for await (const chunk of this.chunks(name)) {
      const data = rest.length ? joined(rest, chunk) : chunk, found = [];
      let from = 0;
      for (let end = data.indexOf(10); end >= 0; end = data.indexOf(10, from)) {
        found.push(data.subarray(from, end));
        from = end + 1;
      }
      rest = data.subarray(from);
      if (found.length) yield found;
      if (rest.length > LONGEST) throw new Failed(name, "has a line that is too long", 2);
    }
    if (rest.length) throw new Failed(name, "does not end with a newline", 2);
  }
}
