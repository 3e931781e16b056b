// C2SP notes: keys, checkpoints with their signatures, cosignatures of witnesses, and proofs of one entry.
import { Failed, Lacking, base64, bytesOf, canon, fromBase64, hex, isRow, joined, looseText, parse, sha256hex } from "./bytes.js";
import { ed25519 } from "./ed25519.js";
import { mldsa44 } from "./mldsa.js";

const LATEST = 253402300799n; // the last second that a calendar has
const PROOF = "c2sp.org/tlog-proof@v1";
export const isProof = (data) => looseText(data.subarray(0, PROOF.length + 1)) === `${PROOF}\n`;

// What Python's int() reads of text is more; what is not written again as it stood is refused by all who call this.
const whole = (text) => (/^(0|[1-9][0-9]{0,15})$/.test(text ?? "") && Number.isSafeInteger(Number(text)) ? Number(text) : null);

// {text, name, mark, kind, raw} of a C2SP verifier key; throws Lacking.
export function vkey(given) {
  if (typeof given !== "string") throw new Lacking("a key's text");
  const text = given.trim(), [name, mark, ...rest] = text.split("+"), encoded = rest.join("+");
  let raw = new Uint8Array(0);
  try {
    raw = fromBase64(encoded);
  } catch {
    throw new Lacking(`${JSON.stringify(text.slice(0, 120))} is no key`);
  }
  const known = sha256hex(bytesOf(`${name}\n`), raw).slice(0, 8);
  if (!name || /\s/.test(name) || known !== mark || base64(raw) !== encoded || !raw.length) {
    throw new Lacking(`${JSON.stringify(text.slice(0, 120))} is no key: its name, mark and bytes do not fit`);
  }
  return { text, name, mark, kind: raw[0], raw: raw.slice(1) };
}

// (text, blank, tail) around the last blank line.
function parted(note) {
  const at = note.lastIndexOf("\n\n");
  return at < 0 ? ["", "", note] : [note.slice(0, at), "\n\n", note.slice(at + 2)];
}

export function noteLine(member, line) {
  const [dash, name, ...rest] = line.split(" "), encoded = rest.join(" ");
  let data;
  try {
    data = fromBase64(encoded);
  } catch {
    throw new Failed(member, "has a broken signature line", 2);
  }
  if (dash !== "\u2014" || !name || base64(data) !== encoded || data.length < 5) {
    throw new Failed(member, "has a signature line in another form", 2);
  }
  return { name, mark: hex(data.subarray(0, 4)), signature: data.slice(4) };
}

// {origin, size, root, cosigned} of a checkpoint that `key` signed; cosigned: text of a witness's key -> POSIX seconds.
// Every further line must be a cosignature by one of `witnesses`, each at most once; an unknown line is malformed.
export async function openNote(member, note, key, witnesses) {
  const log = vkey(key), [text, blank, tail] = parted(note), lines = tail.split("\n");
  if (!blank || lines.pop() !== "" || !lines.length) throw new Failed(member, "is not a note with signature lines", 2);
  const message = bytesOf(`${text}\n`), first = noteLine(member, lines[0]);
  if (first.name !== log.name || first.mark !== log.mark) {
    const known = first.name === log.name, why = known ? " for this size; if the log's key was changed, give the file turns, or the key of that time" : "";
    throw new Failed(member, `is signed under another name or key than the log's${why}`, known ? 1 : 2);
  }
  if (!(await ed25519(log.raw, message, first.signature))) throw new Failed(member, "the signature is not by the log's key");
  const long = new Map(), cosigned = await cosignatures(member, lines.slice(1), message, witnesses, long);
  const rows = text.split("\n"), size = whole(rows[1]);
  let root = new Uint8Array(0);
  try {
    root = fromBase64(rows[2]);
  } catch {
    throw new Failed(member, "is not a checkpoint", 2);
  }
  if (size === null || `${rows[0]}\n${size}\n${base64(root)}` !== text || rows[0] !== log.name || root.length !== 32) {
    throw new Failed(member, "is not a checkpoint of this log", 2);
  }
  for (const [{ text: by, name, raw }, signature] of long) {
    const head = bytesOf(rows[0]), said = joined(...[bytesOf("subtree/v1\n\0"), sized(bytesOf(name)), signature.subarray(0, 8), sized(head), eight(0), eight(size), root]);
    const at = signature.subarray(0, 8).reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
    if (signature.length !== 2428 || at > LATEST || !mldsa44(raw, said, signature.subarray(8))) {
      throw new Failed(member, `the ML-DSA-44 signature of ${name.slice(0, 120)} does not hold`);
    }
    cosigned.set(by, Number(at));
  }
  return { origin: rows[0], size, root, cosigned };
}

const sized = (data) => joined(Uint8Array.of(data.length), data);
const eight = (number) => Uint8Array.from({ length: 8 }, (_, at) => Number((BigInt(number) >> BigInt(56 - 8 * at)) & 255n));

// Lines of ML-DSA-44 keys are put into `long`: what they sign is known once the checkpoint is read.
async function cosignatures(member, lines, message, witnesses, long) {
  const known = [...witnesses].map(vkey).filter((one) => one.kind === 4 || one.kind === 6), cosigned = new Map();
  for (const line of lines) {
    const { name, mark, signature } = noteLine(member, line);
    const witness = known.find((one) => one.name === name && one.mark === mark);
    if (witness?.kind === 6 && !long.has(witness)) {
      long.set(witness, signature);
      continue;
    }
    if (!witness || cosigned.has(witness.text) || signature.length !== 72) {
      throw new Failed(member, `has a line of ${name.slice(0, 120)} that is unknown, doubled or no cosignature`, 2);
    }
    const at = signature.subarray(0, 8).reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
    const said = joined(bytesOf(`cosignature/v1\ntime ${at}\n`), message);
    if (at > LATEST || !(await ed25519(witness.raw, said, signature.subarray(8)))) {
      throw new Failed(member, `the cosignature of ${name.slice(0, 120)} does not hold`);
    }
    cosigned.set(witness.text, Number(at));
  }
  return cosigned;
}

// The note with the lines of these keys alone: where a reader does not know others, their lines say nothing to him.
export function onlyLines(member, note, keys) {
  const known = keys.map(vkey), [text, blank, tail] = parted(note);
  const wanted = (line) => {
    const { name, mark } = noteLine(member, line);
    return known.some((one) => one.name === name && one.mark === mark);
  };
  return text + blank + tail.split("\n").filter((line) => !line || wanted(line)).join("\n");
}

// {header, body or null, index, proof, note} of a C2SP tlog-proof; nothing of it is verified yet.
export function readProof(member, data) {
  const text = looseText(data), at = text.indexOf("\n\n");
  const head = at < 0 ? text : text.slice(0, at), note = at < 0 ? "" : text.slice(at + 2), rows = head.split("\n");
  try {
    if (rows[0] !== PROOF || !rows[1]?.startsWith("extra ") || !rows[2]?.startsWith("index ")) throw new Lacking("its first lines");
    const extra = parse(member, fromBase64(rows[1].slice(6))), index = whole(rows[2].slice(6));
    const proof = rows.slice(3).map(fromBase64);
    if (!isRow(extra) || index === null) throw new Lacking("its form");
    const again = [PROOF, `extra ${base64(bytesOf(canon(extra)))}`, `index ${index}`, ...proof.map(base64)];
    const names = Object.keys(extra).every((name) => ["header", "body"].includes(name));
    if (at < 0 || `${again.join("\n")}\n\n${note}` !== text || !names) throw new Lacking("its form");
    if (Object.values(extra).some((value) => typeof value !== "string")) throw new Lacking("texts");
    return { header: bytesOf(extra.header), body: Object.hasOwn(extra, "body") ? bytesOf(extra.body) : null, index, proof, note };
  } catch (problem) {
    if (!(problem instanceof Lacking)) throw problem;
    throw new Failed(member, `is malformed in ${problem.message}`, 2);
  }
}
