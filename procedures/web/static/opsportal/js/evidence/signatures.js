// What people sign with: SSH signatures and passkeys, over P-256, RSA and Ed25519, verified by the browser.
import { Lacking, base64, bytesOf, fromBase64, get, joined, loaded, same, textOf, websafe } from "./bytes.js";
import { ed25519, subtle } from "./ed25519.js";
import { sha256 } from "./sha256.js";

const NAMESPACE = bytesOf("opsportal-approval");
const MAGIC = joined(bytesOf("SSHSIG"), Uint8Array.of(0, 0, 0, 1));
const big = (data) => data.reduce((total, byte) => (total << 8n) | BigInt(byte), 0n);
const is = (data, text) => same(data, bytesOf(text));
// Bytes of a whole number, `size` of them.
function fixed(number, size) {
  const found = new Uint8Array(size);
  for (let at = size - 1; at >= 0; at--, number >>= 8n) found[at] = Number(number & 255n);
  return found;
}

// ECDSA over P-256 with SHA-256; a high s is taken, as WebAuthn and SSH take it.
export async function p256(x, y, message, r, s) {
  if (x.length !== 32 || y.length !== 32 || r <= 0n || s <= 0n || r >> 256n || s >> 256n) return false;
  const how = { name: "ECDSA", namedCurve: "P-256" };
  let key;
  try {
    key = await subtle().importKey("raw", joined(Uint8Array.of(4), x, y), how, false, ["verify"]);
  } catch (problem) {
    if (problem instanceof DOMException) return false; // no point of the curve
    throw problem;
  }
  return subtle().verify({ name: "ECDSA", hash: "SHA-256" }, key, joined(fixed(r, 32), fixed(s, 32)), message);
}

// RSASSA-PKCS1-v1_5; keys of 2,048 bits and more, odd numbers.
export async function rsa(n, e, message, signature, hash) {
  const bits = n.toString(2).length, size = Math.ceil(bits / 8);
  if (signature.length !== size || bits < 2048 || e < 3n || !(e & 1n) || !(n & 1n)) return false;
  const number = (value) => websafe(fixed(value, Math.ceil(value.toString(16).length / 2)));
  const jwk = { kty: "RSA", n: number(n), e: number(e) }, how = { name: "RSASSA-PKCS1-v1_5", hash };
  let key;
  try {
    key = await subtle().importKey("jwk", jwk, how, false, ["verify"]);
  } catch (problem) {
    if (problem instanceof DOMException) return false;
    throw problem;
  }
  return subtle().verify("RSASSA-PKCS1-v1_5", key, signature, message);
}

// (value, rest) of SSH's length-prefixed bytes.
function take(data) {
  if (data.length < 4) throw new Lacking("a length");
  const size = new DataView(data.buffer, data.byteOffset).getUint32(0);
  if (size > data.length - 4) throw new Lacking("bytes enough");
  return [data.subarray(4, 4 + size), data.subarray(4 + size)];
}

function sized(value) {
  return joined(fixed(BigInt(value.length), 4), value);
}

// The fingerprint of the SSH key that signed `message` for our purpose, or an empty string.
export async function sshsig(armored, message) {
  try {
    const text = armored.trim().split("\n"), blob = fromBase64(text.slice(1, -1).join(""));
    if (!same(blob.subarray(0, 10), MAGIC) || !text[0].includes("BEGIN SSH SIGNATURE")) return "";
    const [key, a] = take(blob.subarray(10)), [space, b] = take(a), [, c] = take(b), [name, d] = take(c), [wrapped, rest] = take(d);
    const hash = is(name, "sha256") ? "SHA-256" : is(name, "sha512") ? "SHA-512" : "";
    if (rest.length || !same(space, NAMESPACE) || !hash) return "";
    const digest = new Uint8Array(await subtle().digest(hash, message));
    const data = joined(bytesOf("SSHSIG"), ...[space, new Uint8Array(0), name, digest].map(sized));
    return (await sshCheck(key, wrapped, data)) ? `SHA256:${base64(sha256(key)).replace(/=+$/, "")}` : "";
  } catch (problem) {
    if (problem instanceof Lacking || problem instanceof TypeError) return "";
    throw problem;
  }
}

async function sshCheck(key, wrapped, data) {
  const [kind, rest] = take(key), [algorithm, more] = take(wrapped), [raw] = take(more);
  if (is(kind, "ssh-ed25519") && same(kind, algorithm)) return ed25519(take(rest)[0], data, raw);
  if (is(kind, "ecdsa-sha2-nistp256") && same(kind, algorithm)) {
    const point = take(take(rest)[1])[0], [r, tail] = take(raw), [s] = take(tail);
    return point[0] === 4 && p256(point.slice(1, 33), point.slice(33, 65), data, big(r), big(s));
  }
  const hashes = { "rsa-sha2-256": "SHA-256", "rsa-sha2-512": "SHA-512" };
  const hash = Object.entries(hashes).find(([name]) => is(algorithm, name))?.[1];
  if (!is(kind, "ssh-rsa") || !hash) return false;
  const [e, tail] = take(rest);
  return rsa(big(take(tail)[0]), big(e), data, raw, hash);
}

// (r, s) of a DER signature in its one form.
export function der(signature) {
  let rest = signature.subarray(2);
  const numbers = [];
  if (signature.length > 72 || signature[0] !== 0x30 || signature[1] !== (rest.length & 0x7f)) throw new Lacking("a sequence");
  for (let turn = 0; turn < 2; turn++) {
    const size = rest.length > 1 ? rest[1] : 0, raw = rest.subarray(2, 2 + size);
    const padded = raw.length > 1 && raw[0] === 0 && raw[1] < 0x80;
    if (rest[0] !== 2 || !raw.length || raw.length !== size || raw[0] > 0x7f || padded) throw new Lacking("a number in its shortest form");
    numbers.push(big(raw));
    rest = rest.subarray(2 + size);
  }
  if (rest.length) throw new Lacking("an end");
  return numbers;
}

const begins = (data, ...head) => same(data.subarray(0, head.length), Uint8Array.from(head));

// The algorithm by which this COSE key (canonical form) signed `message`, or an empty string.
export async function cose(key, message, signature) {
  if (begins(key, 0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 0x20) && begins(key.subarray(42), 0x22, 0x58, 0x20) && key.length === 77) {
    return (await p256(key.slice(10, 42), key.slice(45), message, ...der(signature))) ? "ES256" : "";
  }
  if (begins(key, 0xa4, 1, 1, 3, 0x27, 0x20, 6, 0x21, 0x58, 0x20) && key.length === 42) {
    return (await ed25519(key.slice(10), message, signature)) ? "EdDSA" : "";
  }
  if (!begins(key, 0xa4, 1, 3, 3, 0x39, 1, 0, 0x20, 0x59)) return "";
  const size = (key[9] << 8) | key[10], n = key.subarray(11, 11 + size), tail = key.subarray(11 + size), e = tail.subarray(2);
  const sound = size >= 256 && size <= 512 && n[0] && e.length >= 1 && e.length <= 4 && e[0];
  if (!sound || tail[0] !== 0x21 || tail[1] !== 0x40 + e.length) return "";
  return (await rsa(big(n), big(e), message, signature, "SHA-256")) ? "RS256" : "";
}

// Whether the enrolled passkey `key` answered (WebAuthn) for `message`: its challenge, origin, party, UP and UV.
export async function passkey(row, message, key) {
  try {
    const data = fromBase64(row.authenticator_data), client = fromBase64(row.client_data), said = loaded(textOf(client));
    const challenge = websafe(sha256(message));
    if (said.type !== "webauthn.get" || said.challenge !== challenge || said.origin !== key.origin) return false;
    if (get(said, "crossOrigin", false) !== false || row.credential !== key.credential) return false;
    if (data.length !== 37 || !same(data.subarray(0, 32), sha256(bytesOf(key.rp)))) return false;
    if ((data[32] & 0xc5) !== 0x05) return false; // present and verified; no attested data, no extensions
    const used = await cose(fromBase64(key.public), joined(data, sha256(client)), fromBase64(row.sig));
    return used !== "" && used === key.algorithm;
  } catch (problem) {
    if (problem instanceof Lacking || problem instanceof TypeError || problem instanceof SyntaxError) return false;
    throw problem;
  }
}
