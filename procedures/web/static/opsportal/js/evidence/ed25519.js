// Ed25519 by the browser, as strict as verify.py: no key of small order, and a key and a number in their one form.
const P = 2n ** 255n - 19n;
// y of the points whose order divides 8: such a "key" fits any message.
const EIGHTH = 2707385501144840649318225287225658788936804267575313519463743609750303402022n;
const SMALL = new Set([0n, 1n, P - 1n, EIGHTH, P - EIGHTH]);
const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
const known = new Map();

export class NoCrypto extends Error {}

export function subtle() {
  const found = globalThis.crypto?.subtle;
  if (!found) throw new NoCrypto("This page was not opened in a way in which the browser checks signatures (https, localhost, or a file).");
  return found;
}

const little = (data) => data.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);

async function keyOf(raw) {
  const y = raw.length === 32 ? little(raw) & (2n ** 255n - 1n) : P;
  if (y >= P || SMALL.has(y)) return null;
  const keys = subtle();
  try {
    return await keys.importKey("raw", raw, { name: "Ed25519" }, false, ["verify"]);
  } catch (problem) {
    if (problem.name === "NotSupportedError") throw new NoCrypto("This browser cannot check Ed25519 signatures; a newer one can.");
    return null;
  }
}

export async function ed25519(raw, message, signature) {
  if (signature.length !== 64 || little(signature.subarray(32)) >= ORDER) return false;
  const name = String(raw);
  if (!known.has(name)) known.set(name, keyOf(raw));
  const key = await known.get(name);
  return key !== null && subtle().verify("Ed25519", key, signature, message);
}
