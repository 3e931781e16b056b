// One run's evidence, checked with nothing believed but a key: seal, inclusion, signatures, and that the log only grew.
import { Failed, Lacking, base64, bytesOf, fromBase64, isRow, parseRow, same, sha256hex } from "./bytes.js";
import { readProof, vkey } from "./notes.js";
import { SEALS } from "./seals.js";
import { Tree, consistent, included, leaf } from "./tree.js";
import { Turns } from "./turns.js";

const PROOF = "the proof of the seal";

// The log is another one than this browser saw before: that is told apart from a run that does not fit.
export class Forked extends Failed {}

// {key, size, root}: what to remember; rows: what was found, in words. `memory` is what was remembered last, or null.
export async function checkRun(run, said, memory) {
  try {
    return await checked(run, said, memory);
  } catch (problem) {
    if (problem instanceof Lacking || problem instanceof TypeError) {
      throw new Failed("the portal's answer", `lacks what must be there (${problem.message})`, 2);
    }
    throw problem;
  }
}

async function checked(run, said, memory) {
  const key = vkey(said.key), rows = [], turns = await Turns.read(said.turns);
  if (key.kind !== 1) throw new Failed("the log's key", "is of another type than 01 (Ed25519)", 2);
  if (memory && memory.key !== key.text) {
    if (!turns.lead(memory.key, key.text)) {
      throw new Forked("the log's key", `is another one than this browser has known, which was ${memory.key}`);
    }
    rows.push(`The log's key was changed since this browser looked: the one that it has known signed that over, ${memory.key}.`);
  }
  // By the key that signs a log of that size; a key beyond its range signs nothing.
  const opened = (member, note) => turns.open(member, note, key.text, said.witnesses);
  const proof = readProof(PROOF, bytesOf(said.proof));
  const { headers, seal } = sealed(run, said.headers, proof);
  rows.push(`All ${headers.length} events of this run are here, 1 to ${headers.length}: its end commits to each of them.`);
  rows.push(bodies(said.bodies, headers));
  const below = await opened(PROOF, proof.note);
  if (!included(leaf(proof.header), proof.index, below.size, proof.proof, below.root)) {
    throw new Failed(PROOF, "does not prove that the end of this run is in the log");
  }
  rows.push(`The end of this run (${seal.k}) stands at place ${proof.index} of the log, under a root that the log's key signed.`);
  const newest = await opened("the newest checkpoint", said.checkpoint);
  rows.push(grew(below, newest, memory, said.between), cosigners(below, newest));
  return { rows, remember: { key: key.text, size: newest.size, root: base64(newest.root) }, first: !memory };
}

// The headers in their order, the last of which is the seal that the proof is of and commits to all before it.
function sealed(run, texts, proof) {
  const lines = texts.map(bytesOf), tree = new Tree();
  const headers = lines.map((line) => parseRow("a header", line));
  headers.forEach((header, at) => {
    const first = at > 0 || header.k === "run.requested", last = SEALS.has(header.k) === (at === headers.length - 1);
    if (header.run !== run || header.n !== at + 1 || !first || !last) {
      throw new Failed(`event ${at + 1}`, "is missing, doubled, or of another run");
    }
    if (at < headers.length - 1) tree.add(leaf(lines[at]));
  });
  if (!headers.length || !same(lines.at(-1), proof.header)) throw new Failed(PROOF, "is of another event than this run's end");
  const seal = headers.at(-1);
  if (proof.body === null || sha256hex(proof.body) !== seal.b) throw new Failed(PROOF, "carries another body than the log committed to");
  const said = parseRow(PROOF, proof.body).seal, root = Array.from(tree.root(), (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (!isRow(said) || said.n !== headers.length || said.root !== root) {
    throw new Failed("the seal", "does not fit the events that are shown: one was changed, dropped or added");
  }
  return { headers, seal };
}

function bodies(given, headers) {
  if (given === undefined) return "What each event says in full is shown to auditors; you checked that nothing is missing.";
  for (const header of headers) {
    const body = Object.hasOwn(given, header.id) ? given[header.id] : null;
    if (body === null || sha256hex(bytesOf(body)) !== header.b) {
      throw new Failed(`event ${header.n} (${header.k})`, "says something else than the log committed to");
    }
  }
  return "What each event says is what the log committed to when it happened.";
}

// Both the proof's log and the one that this browser remembers are beginnings of the newest one.
function grew(below, newest, memory, between) {
  const earlier = [{ what: "the checkpoint of the proof", size: below.size, root: below.root }];
  if (memory) earlier.push({ what: "the log that this browser saw before", size: memory.size, root: fromBase64(memory.root) });
  for (const { what, size, root } of earlier) {
    if (size > newest.size) throw new Forked("the log", `has ${newest.size} entries and had ${size} (${what}): it was rolled back`);
    const path = between.find((one) => one.old === size && one.new === newest.size)?.path ?? [];
    if (!consistent(size, newest.size, root, newest.root, path.map(fromBase64))) {
      throw new Forked("the log", `is not the one that it was: ${what} (${size} entries) is not its beginning. It was forked or rewritten`);
    }
  }
  if (!memory) return "This browser sees the log for the first time, and remembers it from now on.";
  const since = newest.size - memory.size;
  return `Nothing was taken back: the log that this browser saw before, of ${memory.size} entries, is the beginning of this one, which has ${since} more.`;
}

function cosigners(below, newest) {
  const names = [...new Set([...below.cosigned.keys(), ...newest.cosigned.keys()])].map((key) => vkey(key).name).sort();
  if (!names.length) return "No witness cosigned it: whoever holds the log's key could have written all of it anew before you looked.";
  return `Cosigned by ${names.join(", ")}. Their keys came from this portal: compare them with those who keep them.`;
}
