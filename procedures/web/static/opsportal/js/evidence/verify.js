// A whole pack, or the proof of one event, against keys that the reader gives: the same ladder as verify.py's.
import { Failed, Lacking, byPoint, get, looseText, parse, same, sha256hex } from "./bytes.js";
import { Pack } from "./container.js";
import { DERIVED, checkCounts, checkFiles, checkProof, checkReports, namedMldsa, namedWitnesses } from "./manifest.js";
import { isProof, onlyLines, readProof, vkey } from "./notes.js";
import { Policy } from "./policy.js";
import { readLog } from "./reading.js";
import { HEADERS } from "./scope.js";
import { checkAnchors, when } from "./stamps.js";
import { included, leaf } from "./tree.js";
import { Turns } from "./turns.js";

export const LEVELS = ["INTACT", "SIGNED", "WITNESSED"];
const LIMITS = [
  "that a runner saw the truth",
  "the sandbox tier and the software of a runner, which are reported by the runner itself",
  "that nothing happened outside the portal",
  "that people understood what they approved",
  "that the page on which a passkey signed showed the plan that was signed: its script comes from the portal",
  "that a control is effective",
];
const UNWITNESSED = "that whoever holds the log's key did not write the whole log anew: no witness that you named vouches for it";
const VERDICTS = { 1: "FAILED", 2: "MALFORMED", 3: "UNDETERMINED" };

// {key, policy, turns} of what a reader trusts: texts of keys, how many witnesses are enough (null: all), or a policy
// instead; and what the reader knows from elsewhere of changes of the log's key.
export async function trust({ logKey = "", witnessKeys = [], quorum = null, policyText = "", turnsText = "", mldsaKey = "" }) {
  if (policyText && (witnessKeys.length || quorum !== null)) throw new Lacking("a policy says which witnesses and how many: give it alone");
  let policy = new Policy();
  if (policyText) policy = Policy.read(policyText);
  else if (witnessKeys.length) policy = Policy.ofKeys(witnessKeys, quorum ?? witnessKeys.length);
  if (!logKey && policy.logs.length > 1) throw new Lacking("the policy names several logs: say which by the log's key");
  const given = logKey || policy.logs[0] || "", key = given ? vkey(given) : null;
  if (key && key.kind !== 1) throw new Lacking("the log's key is not of type 01 (Ed25519)");
  if (key && [...policy.witnesses.values()].some((one) => same(vkey(one).raw, key.raw))) {
    throw new Lacking("a witness's key is the log's own: whoever signs the log is no witness of it");
  }
  const long = mldsaKey ? vkey(mldsaKey) : null;
  if (long && (long.kind !== 6 || !key)) throw new Lacking("the ML-DSA-44 key is not of type 06, or stands without the log's key");
  return { key: key?.text ?? null, policy, mldsa: long?.text ?? null, turns: turnsText ? await Turns.file(turnsText) : new Turns() };
}

// What was found, as `verify.py --json` says it; a failure has member, reason and the exit status as `code`.
export async function verified(file, trusted, require = "SIGNED", told = () => {}) {
  try {
    const head = new Uint8Array(await file.slice(0, 64).arrayBuffer());
    if (isProof(head)) return await verifyEntry(new Uint8Array(await file.arrayBuffer()), trusted, require);
    return await verifyPack(file, trusted, require, told);
  } catch (problem) {
    if (!(problem instanceof Failed)) throw problem;
    return { verdict: VERDICTS[problem.code], member: problem.member, reason: problem.reason, code: problem.code };
  }
}

async function verifyPack(file, { key, policy, turns, mldsa }, require, told) {
  const pack = await Pack.open(file, (share) => told("Reading the pack", share));
  let manifest, reading, erased, purged;
  try {
    manifest = await checkFiles(pack);
    reading = await readLog(pack, manifest, (share) => told("Checking every event", share));
    erased = reading.erased();
    purged = reading.purged();
    checkCounts(manifest, reading);
  } catch (problem) {
    if (!(problem instanceof Lacking || problem instanceof TypeError)) throw problem;
    throw new Failed("manifest.json", `lacks ${problem.message}`, 2);
  }
  checkReports(pack, reading);
  const trusted = [...policy.witnesses.values()], long = [...new Set([...namedMldsa(manifest), ...(mldsa ? [mldsa] : [])])];
  const known = [...new Set([...trusted, ...namedWitnesses(manifest), ...long])];
  const changes = [...turns.rows, ...reading.story.authority.turns.rows]; // what the reader knows counts before what the log says
  const reigns = key === null ? turns : Turns.around(key, changes);
  const cosigned = await checkEnd(pack, manifest, reading.headers.tree.root(), key, known, reigns);
  const later = await checkProof(pack, manifest, key, known, reigns);
  const both = long.filter((one) => cosigned.has(one) && later.has(one)).sort(byPoint);
  if (mldsa && key !== null && !both.includes(mldsa)) throw new Failed("log/checkpoint.end", "carries no ML-DSA-44 signature by the key that you gave", 3);
  for (const one of long) cosigned.delete(one);
  const witnessed = policy.met(new Set(cosigned.keys())) && policy.met(new Set(later.keys()));
  const level = key === null ? "INTACT" : witnessed ? "WITNESSED" : "SIGNED", stamps = await checkAnchors(pack);
  reached(level, require, "log/checkpoint.end");
  const signers = both.map((one) => ({ name: vkey(one).name, mark: vkey(one).mark, trusted: one === mldsa }));
  return { ...facts(reading, erased, purged), verdict: level, mldsa: signers, ...outside(pack, level, cosigned, trusted, stamps) };
}

function reached(level, require, member) {
  if (LEVELS.indexOf(level) < LEVELS.indexOf(require)) throw new Failed(member, `reaches ${level}, and ${require} is asked for`, 3);
}

// What the log itself told.
function facts(reading, erased, purged) {
  const { authority, strengths } = reading.story;
  return {
    events: reading.headers.size,
    runs: reading.population.count,
    bodies: reading.bodies,
    asserted: authority.asserted.map(([index, control, why]) => ({ index, control, why })),
    closed: [...authority.closed].map(([subject, index]) => ({ index, subject })),
    erased,
    purged,
    holds: [...authority.holds].sort(([a], [b]) => byPoint(a, b)).map(([hold, one]) => ({ ...one, hold })),
    break_glass: { used: authority.glass.length, unreviewed: authority.glass.filter((use) => !use.reviewed).length },
    ahead: [...authority.ahead.values()].map(({ by, said, runs }) => ({ approver: by, schedule: said.schedule, runs: said.runs, used: runs.length })),
    recovered: authority.recovered,
    outages: authority.outages,
    decisions: { session: strengths.session, totp: strengths.totp, signed: strengths.signed },
    providers: Object.fromEntries(authority.synced),
    turned: authority.turns.rows.map(({ size, former, key }) => ({ index: size, former, key })),
    samples: reading.samples.drawn.length,
  };
}

function outside(pack, level, cosigned, trusted, stamps) {
  const witnesses = [...cosigned].sort(([a], [b]) => byPoint(a, b));
  return {
    witnesses: witnesses.map(([one, at]) => ({ name: vkey(one).name, at: when(at), trusted: trusted.includes(one) })),
    stamps,
    unread: DERIVED.filter((name) => pack.places.has(name)),
    not_proven: [...LIMITS, "anything after the checkpoint of this pack", ...(level === "WITNESSED" ? [] : [UNWITNESSED])],
  };
}

// The log's key signed the root of exactly these headers. Gives who cosigned it.
async function checkEnd(pack, manifest, root, key, witnesses, turns) {
  if (key === null) return new Map();
  const note = looseText(await pack.read("log/checkpoint.end"));
  const said = await turns.open("log/checkpoint.end", note, key, witnesses);
  if (said.size !== manifest.range.end || !same(said.root, root)) throw new Failed(HEADERS, "does not give the root that the log signed");
  return said.cosigned;
}

// That the log holds the one event that a proof carries.
async function verifyEntry(data, { key, policy, turns }, require) {
  const member = "the proof", { header, body, index, proof, note } = readProof(member, data), said = parse(member, header);
  if (said === null || typeof said !== "object" || (body !== null && get(said, "b") !== sha256hex(body))) {
    throw new Failed(member, "has a body that is not the one that its header commits to");
  }
  if (key === null) throw new Failed(member, "proves nothing without the log's key", 3);
  const trusted = [...policy.witnesses.values()], shown = onlyLines(member, note, [key, ...turns.of(vkey(key).name), ...trusted]);
  const { size, root, cosigned } = await turns.open(member, shown, key, trusted);
  if (!included(leaf(header), index, size, proof, root)) throw new Failed(member, "does not prove that the event is in the log");
  const level = policy.met(new Set(cosigned.keys())) ? "WITNESSED" : "SIGNED";
  reached(level, require, member);
  const witnesses = [...cosigned].sort(([a], [b]) => byPoint(a, b));
  return {
    verdict: level,
    index,
    size,
    header: said,
    body: body === null ? null : parse(member, body),
    witnesses: witnesses.map(([one, at]) => ({ name: vkey(one).name, at: when(at), trusted: true })),
    not_proven: [...LIMITS, "anything else than this one event"],
  };
}
