// The manifest: exactly these files with these bytes, of a form that is known, and logged itself.
import { Failed, Lacking, byPoint, canon, get, isRow, parse, parseRow, sha256hex } from "./bytes.js";
import { included, leaf } from "./tree.js";
import { readProof, vkey } from "./notes.js";
import { FILTERS, HEADERS } from "./scope.js";
import { list } from "./sets.js";

const MANIFEST = "manifest.json", PROOF = "export.tlog-proof", LISTS_NOT = [MANIFEST, PROOF];
const NEEDED = [MANIFEST, PROOF, HEADERS, "log/checkpoint.end", "README.txt"];
export const DERIVED = ["README.txt", "ocsf/events.jsonl", "oscal/assessment-results.json", "reports/report.html", "reports/report.pdf", "verify.py"];
const SAID = ["v", "range", "frontier", "filter", "counts", "sample", "withheld", "files", "software", "exporter", "made_at", "query"];
const KINDS = new RegExp(
  "^(log/anchors/\\d{8}\\.tsr|(bodies|disclosures)/\\d{8}\\.jsonl|reports/[a-z_]+\\.csv|attest/run-[0-9a-f-]{36}\\.dsse\\.json)$",
);
const sameNames = (a, b) => canon([...a].sort(byPoint)) === canon([...b].sort(byPoint));
const sortedOnce = (value) => Array.isArray(value) && value.every((one) => typeof one === "string")
  && canon([...new Set(value)].sort(byPoint)) === canon(value);

export async function checkFiles(pack) {
  for (const name of NEEDED) if (!pack.places.has(name)) throw new Failed(name, "is missing", 2);
  const manifest = parseRow(MANIFEST, await pack.read(MANIFEST)), { files } = manifest;
  if (!isRow(files)) throw new Lacking("'files'");
  for (const [name, digest] of pack.digests) {
    if (!LISTS_NOT.includes(name) && get(files, name) !== digest) throw new Failed(name, "is not the file that the manifest lists");
  }
  const [missing] = Object.keys(files).filter((name) => !pack.places.has(name)).sort(byPoint);
  if (missing !== undefined) throw new Failed(missing, "is listed and missing");
  if (LISTS_NOT.some((name) => Object.hasOwn(files, name))) throw new Failed(MANIFEST, "lists itself, or the proof of itself", 2);
  if (manifest.v !== 1 && manifest.v !== 2) throw new Failed(MANIFEST, "is of a form that this verifier does not know: take a newer one", 2);
  if (manifest.range.start !== 0 || canon(manifest.frontier) !== "[]") {
    throw new Failed(MANIFEST, "this verifier reads packs that begin with the log", 2);
  }
  if (manifest.v > 1) checkForm(pack, manifest);
  return manifest;
}

// A manifest of form 2 says what it must and nothing else, and no member is of an unknown kind.
function checkForm(pack, manifest) {
  const { filter, sample } = manifest, names = Object.keys(manifest).filter((name) => name !== "witnesses" && name !== "mldsa");
  if (!sameNames(names, SAID) || !sameNames(Object.keys(manifest.range), ["start", "end"])) {
    throw new Failed(MANIFEST, "holds other fields than a manifest of its form", 2);
  }
  const known = isRow(filter) && Object.entries(filter).every(([name, one]) => FILTERS.includes(name) && typeof one === "string");
  if (!known) throw new Failed(MANIFEST, "has a filter that this verifier does not know: take a newer one", 2);
  if (!sortedOnce(manifest.withheld)) throw new Failed(MANIFEST, "lists what it withholds in another form", 2);
  if (!Array.isArray(sample) || (sample.length && !Object.hasOwn(filter, "sample"))) {
    throw new Failed(MANIFEST, "names a sample that its filter does not", 2);
  }
  if (manifest.query !== query(filter)) throw new Failed(MANIFEST, "says another query than its filter");
  for (const name of pack.places.keys()) {
    if (![...NEEDED, ...DERIVED].includes(name) && !KINDS.test(name)) throw new Failed(name, "is no member of a pack", 2);
  }
}

// The command that takes such a pack again.
function query(filter) {
  const quoted = (word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`);
  const words = Object.keys(filter).sort(byPoint).flatMap((name) => [`--${name}`, filter[name]]);
  return ["opsportal", "evidence", "export", ...words].map(quoted).join(" ");
}

// The manifest itself is in the log, later than everything that it speaks of. Gives who cosigned that.
export async function checkProof(pack, manifest, key, witnesses, turns) {
  const proof = readProof(PROOF, await pack.read(PROOF));
  try {
    const said = parse(PROOF, proof.body ?? new Uint8Array(0)), told = parse(PROOF, proof.header);
    if (told.k !== "export.made" || told.b !== sha256hex(proof.body) || said.manifest !== pack.digests.get(MANIFEST)) {
      throw new Failed(PROOF, "is about another manifest");
    }
    if (manifest.v > 1) checkSaid(manifest, said, told.at);
  } catch (problem) {
    if (!(problem instanceof Lacking || problem instanceof TypeError)) throw problem;
    throw new Failed(PROOF, `is malformed in ${problem.message}`, 2);
  }
  if (key === null) return new Map();
  const { size, root, cosigned } = await turns.open(PROOF, proof.note, key, witnesses);
  if (!included(leaf(proof.header), proof.index, size, proof.proof, root)) {
    throw new Failed(PROOF, "does not prove that the manifest is in the log");
  }
  return cosigned;
}

// What the log itself says of this export beside the manifest's digest is what the manifest says.
function checkSaid(manifest, said, at) {
  const apart = ["range", "exporter", "filter", "software"].find((name) => canon(said[name]) !== canon(manifest[name]));
  const other = apart ?? (at === manifest.made_at ? undefined : "made_at");
  if (other) throw new Failed(MANIFEST, `says another ${other} than the log's event of this export`);
}

// Keys of witnesses that the pack itself names: their lines must hold, and they count for nothing.
export function namedWitnesses(manifest) {
  const named = get(manifest, "witnesses", []);
  try {
    if (sortedOnce(named) && named.every((one) => vkey(one).kind === 4)) return named;
  } catch (problem) {
    if (!(problem instanceof Lacking)) throw problem;
  }
  throw new Failed(MANIFEST, "names witnesses that are none", 2);
}

// The ML-DSA-44 key of the log that the pack itself names: a line of it must hold, and counts for nothing.
export function namedMldsa(manifest) {
  if (!Object.hasOwn(manifest, "mldsa")) return [];
  try {
    const { text, kind, raw } = vkey(manifest.mldsa);
    if (kind === 6 && raw.length === 1312 && text === manifest.mldsa) return [text];
  } catch (problem) {
    if (!(problem instanceof Lacking)) throw problem;
  }
  throw new Failed(MANIFEST, "names an ML-DSA-44 key that is none", 2);
}

// Each report that counts is recomputed.
export function checkReports(pack, reading) {
  const tables = reading.tables();
  for (const [name, text] of Object.entries(tables)) {
    if (pack.digests.get(name) !== sha256hex(new TextEncoder().encode(text))) throw new Failed(name, "is not what the log says");
  }
  const population = "reports/population.csv";
  if (pack.digests.get(population) !== reading.population.sha256()) throw new Failed(population, "is not what the log says");
  for (const name of pack.places.keys()) {
    if (name.endsWith(".csv") && !Object.hasOwn(tables, name) && name !== population) {
      throw new Failed(name, "is no report that this verifier recomputes", 2);
    }
  }
}

// The counts of a manifest, and the sample that it is about, are what the log says.
export function checkCounts(manifest, reading) {
  const counts = { events: reading.headers.size, runs: reading.population.count, bodies: reading.bodies };
  if (manifest.v > 1) {
    counts.disclosures = reading.disclosed;
    const wanted = get(manifest.filter, "sample");
    if (wanted !== null && canon(reading.samples.runs(wanted)) !== canon(list(manifest.sample))) {
      throw new Failed(MANIFEST, "names other runs than the sample that was drawn");
    }
  }
  if (canon(manifest.counts) !== canon(counts)) throw new Failed(MANIFEST, "counts something else than the log");
}
