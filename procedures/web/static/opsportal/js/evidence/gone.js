// Runs that two people purged after their time: their bodies are not here, and who agreed to that stands in the log.
import { Failed, get, row } from "./bytes.js";
import { SEALS } from "./seals.js";
import { before, count, latest, later, list, rows, until, words } from "./sets.js";

const FLOOR_DAYS = 365; // how long a run is kept at least, until a change says otherwise

// Two people agreed to erase runs; whether their time was over is judged where they are missing.
export function purge(authority, thing, { index, body }) {
  const by = [...new Set(rows(body.sigs).map((one) => one.by))].sort();
  const said = { index, change: body.change, by, basis: thing.basis, at: authority.signedAt, holds: [...authority.holds.values()] };
  for (const run of list(thing.runs)) if (!authority.purged.has(words(run))) authority.purged.set(run, said);
}

// How many days a run is kept at least that was asked for then; within a minute of a change, the fewer.
function floor(authority, asked) {
  const first = later(asked, 0, -1), last = later(asked, 0, 1);
  let days = [FLOOR_DAYS];
  for (const { at, days: number } of authority.floors) {
    if (until(at, last)) days = until(at, first) ? [number] : [...days, number];
  }
  return Math.min(...days);
}

export class Gone {
  constructor(authority) {
    this.authority = authority;
    this.runs = new Map();
  }

  // Whether a body must be missing, since others of its run are.
  has(header) {
    return this.runs.has(get(header, "run"));
  }

  // The body that the filter asks for is not there: then it is of a run of which all bodies were purged, or fails.
  withhold(member, header) {
    if (header.k === "run.requested") this.runs.set(header.run, { header, bodies: 0, kept: "~" });
    if (!this.has(header)) throw new Failed(member, "is withheld without a redaction event");
    const known = this.runs.get(header.run);
    known.bodies++;
    if (!SEALS.has(header.k)) return;
    known.kept = latest(words(get(header, "kept", "")), later(header.at, 24 * floor(this.authority, known.header.at)));
  }

  // What was purged, by change; throws Failed for a run that is missing for another reason, or too soon, or was held.
  told(heldBy) {
    const found = new Map(), { authority } = this;
    for (const [run, known] of this.runs) {
      const said = authority.purged.get(run), member = `bodies of run ${run}`;
      if (!said) throw new Failed(member, "are withheld without a redaction event");
      if (before(said.at, known.kept)) throw new Failed(member, `were purged while they were to be kept: until ${known.kept}`);
      if (said.holds.some((hold) => heldBy(hold, known.header, authority.named, []))) {
        throw new Failed(member, "were purged while they were under a legal hold");
      }
      const { index, change, by, basis } = said;
      if (!found.has(change)) found.set(change, row({ index, change, by, basis, runs: 0, bodies: 0 }));
      found.get(change).runs++;
      found.get(change).bodies += known.bodies;
    }
    return [...found.values()].sort((a, b) => a.index - b.index);
  }
}

export const setFloor = (authority, thing, { at }) => authority.floors.push({ at, days: count(thing.days) });
