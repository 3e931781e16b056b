// Bytes and their texts, and canonical JSON (RFC 8785, restricted): what is hashed is what stands there.
import { sha256 } from "./sha256.js";

export class Failed extends Error {
  // `member` names the file of the pack; code 1 failed, 2 malformed, 3 undetermined.
  constructor(member, reason, code = 1) {
    super(`${member}: ${reason}`);
    this.member = member;
    this.reason = reason;
    this.code = code;
  }
}
// What a value lacks; whoever reads a whole says of what.
export class Lacking extends Error {}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lenient = new TextDecoder("utf-8", { ignoreBOM: true });
export const bytesOf = (text) => encoder.encode(text);
export const textOf = (data) => decoder.decode(data);
export const looseText = (data) => lenient.decode(data);
export const hex = (data) => Array.from(data, (byte) => byte.toString(16).padStart(2, "0")).join("");
export const sha256hex = (...parts) => hex(sha256(...parts));

export function same(a, b) {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

export function joined(...parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export function fromHex(text) {
  if (typeof text !== "string" || !/^([0-9a-fA-F]{2})*$/.test(text)) throw new Lacking("bytes in hexadecimal");
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

export function base64(data) {
  let text = "";
  for (let at = 0; at < data.length; at += 0x8000) text += String.fromCharCode(...data.subarray(at, at + 0x8000));
  return btoa(text);
}

// Padding is needed, bits beyond the last byte are let pass, as Python does it; who cares encodes again and compares.
export function fromBase64(text) {
  if (typeof text !== "string" || text.length % 4 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) throw new Lacking("base64");
  return Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
}

export const websafe = (data) => base64(data).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");

// By code points; UTF-16 units sort otherwise beyond the first plane.
export function byPoint(a, b) {
  for (let at = 0; at < a.length && at < b.length; at++) {
    const x = a.charCodeAt(at), y = b.charCodeAt(at);
    if (x === y) continue;
    const high = (unit) => unit >= 0xd800 && unit <= 0xdfff;
    return high(x) === high(y) ? x - y : high(x) ? 1 : -1;
  }
  return a.length - b.length;
}

export function canon(value) {
  if (Array.isArray(value)) return `[${value.map(canon).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const names = Object.keys(value).sort(byPoint);
  return `{${names.map((name) => `${JSON.stringify(name)}:${canon(value[name])}`).join(",")}}`;
}

const STRICT = {
  get(row, name) {
    if (Object.hasOwn(row, name)) return row[name];
    if (typeof name === "symbol" || name === "then" || name === "toJSON") return undefined;
    throw new Lacking(`'${name}'`);
  },
};
// A field that is not there is told and never undefined.
function strict(value) {
  if (value === null || typeof value !== "object") {
    if (typeof value === "number" && !Number.isSafeInteger(value)) throw new Lacking("a whole number below 2^53");
    if (typeof value === "string" && !value.isWellFormed()) throw new Lacking("text without half a character");
    return value;
  }
  if (Array.isArray(value)) return value.map(strict);
  for (const name of Object.keys(value)) {
    if (![...name].every((one) => one < "\u0080")) throw new Lacking("keys of ASCII, whose order is one in all languages");
    Object.defineProperty(value, name, { value: strict(value[name]), enumerable: true, writable: true, configurable: true });
  }
  return new Proxy(value, STRICT);
}
export const has = (row, name) => Object.hasOwn(row, name);
export const get = (row, name, otherwise = null) => (Object.hasOwn(row, name) ? row[name] : otherwise);
export const isRow = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
export const row = (fields) => new Proxy(fields, STRICT);

// JSON that need not be canonical; no key twice is looked at here.
export const loaded = (text) => strict(JSON.parse(text));

// The value of canonical bytes; anything else is malformed.
export function parse(member, data) {
  let value, text;
  try {
    text = textOf(data);
    value = loaded(text);
  } catch (problem) {
    throw new Failed(member, `is not canonical JSON (${problem.message})`, 2);
  }
  if (canon(value) !== text) throw new Failed(member, "is not in canonical form", 2);
  return value;
}

export function parseRow(member, data) {
  const value = parse(member, data);
  if (!isRow(value)) throw new Failed(member, "is not an object", 2);
  return value;
}
