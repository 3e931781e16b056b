// Which runs a pack is about, what must be known of a log before it is read, and its headers in their order.
import { Failed, Lacking, get, has, parseRow } from "./bytes.js";
import { SEALS } from "./seals.js";
import { byNumber, table } from "./tables.js";
import { before, latest, until, words } from "./sets.js";
import { Tree, leaf } from "./tree.js";

export const HEADERS = "log/headers.jsonl";
const BY_HEADER = { run: "run", procedure: "p", environment: "e", requester: "q" };
const BY_SEAL = { outcome: "o", risk: "risk" };
export const BY_BODY = ["digest", "door"];
export const FILTERS = [...Object.keys(BY_HEADER), "from", "to", ...Object.keys(BY_SEAL), ...BY_BODY, "sample"];
export const UNFIXED = [...BY_BODY, "sample"];

export function inHeaders(problem) {
  if (!(problem instanceof Lacking || problem instanceof TypeError || problem instanceof RangeError)) return problem;
  return new Failed(HEADERS, `has a header that lacks ${problem.message}`, 2);
}

// What a filter asks for. Headers alone decide it, but for `digest` and `door`, which stand in bodies.
export class Scope {
  constructor(wanted, sampled = []) {
    this.wanted = new Map(Object.entries(wanted));
    this.sampled = new Set(sampled);
    this.ended = Object.keys(BY_SEAL).some((name) => this.wanted.has(name)) ? new Set() : null;
    this.unknown = 0;
    this.needsAll = BY_BODY.some((name) => this.wanted.has(name));
  }

  // Told each header before the log is read: how a run ends decides whether it counts from its beginning.
  foresee(header) {
    if (this.ended === null || !SEALS.has(header.k)) return;
    const fits = Object.entries(BY_SEAL).every(([name, short]) => header[short] === (this.wanted.get(name) ?? header[short]));
    if (fits) this.ended.add(header.run);
  }

  // Whether the run of this request is one of the population.
  fits(header, body) {
    const { wanted } = this, asked = ([name, short]) => !wanted.has(name) || wanted.get(name) === get(header, short);
    let same = Object.entries(BY_HEADER).every(asked);
    same = same && until(wanted.get("from") ?? "", header.at) && until(header.at, wanted.get("to") ?? "~");
    same = same && (this.ended === null || this.ended.has(header.run));
    same = same && (!wanted.has("sample") || this.sampled.has(header.run));
    if (same && this.needsAll && body === null) {
      this.unknown++;
      return false;
    }
    return same && BY_BODY.every((name) => !wanted.has(name) || wanted.get(name) === (body && get(body, name)));
  }
}

// Its size, and which events were overtaken: no event happened later than one that follows it.
export class Foresight {
  constructor() {
    Object.assign(this, { size: 0, turn: 0, late: [], highest: "" });
  }

  static async of(pack, scope) {
    const seen = new Foresight();
    for await (const lines of pack.lines(HEADERS)) for (const line of lines) seen.take(line, scope);
    let lowest = "~";
    for (const one of seen.late.reverse()) one[1] = lowest = before(one[1], lowest) ? one[1] : lowest;
    seen.late.reverse();
    return seen;
  }

  take(line, scope) {
    const header = parseRow(HEADERS, line);
    try {
      if (before(header.at, this.highest)) this.late.push([this.size, header.at]);
      this.highest = latest(this.highest, header.at);
      scope.foresee(header);
    } catch (problem) {
      throw inHeaders(problem);
    }
    this.size++;
  }

  // The latest moment at which this event can have happened. Call for rising indexes.
  soonest(index, at) {
    while (this.turn < this.late.length && this.late[this.turn][0] <= index) this.turn++;
    const next = this.late[this.turn]?.[1];
    return next !== undefined && before(next, at) ? next : at;
  }
}

const TITLES = ["no", "run", "procedure", "environment", "requester", "requested_at", "outcome", "risk", "ended_at"];

// A row per run of the scope in the order of run numbers, as reports/population.csv holds it.
export class Population {
  constructor() {
    this.rows = [];
    this.count = 0;
  }

  add(row) {
    this.rows[Number(row[0]) - 1] = table([row]);
    this.count++;
  }

  sha256() {
    return byNumber(table([TITLES]), this.rows);
  }
}

// Every header in its order: runs without gaps, nothing after a seal, run numbers without gaps, the root.
export class Headers {
  constructor(size) {
    this.size = size;
    this.tree = new Tree();
    this.open = new Map();
    this.begun = new Set();
    this.numbers = new Uint8Array(size + 1);
  }

  // [the header, its run if it belongs to one].
  take(line) {
    const header = parseRow(HEADERS, line);
    let run = null;
    if (has(header, "run")) {
      const name = words(header.run);
      if (!this.open.has(name)) this.open.set(name, this.first(header));
      run = this.open.get(name);
      run.n++;
      if (header.n !== run.n) throw new Failed(HEADERS, `run ${name} has a gap, or an event after its seal`);
    }
    this.tree.add(leaf(line));
    return [header, run];
  }

  first(header) {
    if (header.k !== "run.requested" || header.n !== 1) {
      throw new Failed(HEADERS, `run ${header.run} has a gap, or an event after its seal`);
    }
    const number = header.no;
    if (!Number.isSafeInteger(number) || number <= 0 || number > this.size || this.numbers[number]) {
      throw new Failed(HEADERS, "run numbers have a gap");
    }
    if (this.begun.has(header.run)) throw new Failed(HEADERS, "a run was requested twice");
    this.numbers[number] = 1;
    this.begun.add(header.run);
    return { n: 0, row: null, tree: new Tree() };
  }

  // Close a run at its seal, or add the header to what its seal will commit to.
  follow(header, run, line) {
    if (SEALS.has(header.k)) this.open.delete(header.run);
    else run.tree.add(leaf(line));
  }

  end() {
    for (let number = 1; number <= this.begun.size; number++) {
      if (!this.numbers[number]) throw new Failed(HEADERS, "run numbers have a gap");
    }
  }
}
