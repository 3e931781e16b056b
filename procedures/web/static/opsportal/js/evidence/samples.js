// Populations that were fixed and samples that were drawn from them: each draw counts, and all are listed.
import { Failed, byPoint, bytesOf, canon, fromHex, get, isRow, parseRow, same, sha256hex } from "./bytes.js";
import { HEADERS, Scope, UNFIXED } from "./scope.js";
import { SEALS } from "./seals.js";
import { sha256 } from "./sha256.js";
import { count, list, words } from "./sets.js";
import { table } from "./tables.js";
import { Tree, leaf } from "./tree.js";

const NONCE = /^[0-9A-Za-z_-]{8,128}$/;
const MOST_DRAWN = 10_000;
const STRATA = { environment: "e", outcome: "o", risk: "risk" };
const LATE = ["outcome", "risk"];
const TITLES = ["index", "sample", "population", "size", "runs_in_population", "filter", "by", "nonce", "drawn"];

export class Samples {
  constructor() {
    this.fixed = new Map();
    this.drawn = [];
  }

  take(index, kind, body, member) {
    if (kind === "population.fixed") {
      const { population, size, filter } = body;
      if (this.fixed.has(population) || !(count(size) > 0 && size <= index) || UNFIXED.some((name) => get(filter, name) !== null)) {
        throw new Failed(member, "fixes a population twice, of the future, or by what headers do not say");
      }
      this.fixed.set(population, { body, index });
    } else if (kind === "sample.drawn") {
      const fixed = this.fixed.get(body.population);
      if (!fixed || !NONCE.test(words(body.nonce)) || !(count(body.count) > 0 && body.count <= MOST_DRAWN)) {
        throw new Failed(member, "draws from no population that was fixed before, or without a nonce");
      }
      if (!Object.hasOwn(STRATA, get(body, "strata", "environment"))) {
        throw new Failed(member, "draws by strata that headers do not say");
      }
      this.drawn.push({ body, index, fixed, member });
    }
  }

  // Every draw again, from headers alone.
  async check(pack) {
    for (const fixed of this.fixed.values()) {
      const mine = this.drawn.filter((one) => one.fixed === fixed), ranked = await rank(pack, fixed.body, mine.map((one) => one.body));
      for (const [at, one] of mine.entries()) {
        if (canon(list(one.body.runs)) !== canon(ranked[at])) {
          throw new Failed(one.member, "the runs that it names are not the ones that its nonce draws");
        }
      }
    }
  }

  runs(sample) {
    return this.drawn.find((one) => one.body.sample === sample)?.body.runs ?? null;
  }

  tables() {
    if (!this.fixed.size) return {};
    const about = ({ body }) => [body.population, body.size, body.runs, canon(body.filter)];
    const strata = this.drawn.some(({ body }) => get(body, "strata") !== null); // a column that older packs lack
    const more = (text) => (strata ? [text] : []);
    const rows = this.drawn.map(({ body, index, fixed }) => [
      index, body.sample, ...about(fixed), body.actor, body.nonce, list(body.runs).join(" "), ...more(get(body, "strata", "")),
    ]);
    const undrawn = [...this.fixed.values()].filter((fixed) => !this.drawn.some((one) => one.fixed === fixed));
    rows.push(...undrawn.map((fixed) => [fixed.index, "", ...about(fixed), fixed.body.actor, "", "", ...more("")]));
    return { "reports/samples.csv": table([[...TITLES, ...more("strata")], ...rows]) };
  }
}

// The runs that each draw takes of a fixed population. Seed: SHA-256("sample/v1" || root || nonce || filter); rank:
// SHA-256(seed || run): neither who fixed the root before, nor who speaks the nonce, can choose. By strata, so many of
// each value that a header says; a run that has not ended is of the stratum "".
async function rank(pack, fixed, draws) {
  if (!isRow(fixed.filter)) throw new Failed("reports/samples.csv", "a population has no filter");
  const scope = new Scope(fixed.filter), tree = new Tree(), root = fromHex(fixed.root), filter = bytesOf(canon(fixed.filter));
  const hats = draws.map((one) => new Hat(sha256(bytesOf("sample/v1"), root, bytesOf(one.nonce), filter), one));
  const early = hats.filter((hat) => !LATE.includes(hat.by)), late = hats.filter((hat) => LATE.includes(hat.by));
  const going = new Set();
  let found = 0;
  await first(pack, fixed.size, (line) => scope.foresee(parseRow(HEADERS, line)));
  await first(pack, fixed.size, (line) => {
    const header = parseRow(HEADERS, line);
    tree.add(leaf(line));
    if (header.k === "run.requested" && scope.fits(header, null)) {
      found++;
      for (const hat of early) hat.put(header);
      if (late.length) going.add(header.run);
    } else if (SEALS.has(header.k) && going.delete(header.run)) {
      for (const hat of late) hat.put(header);
    }
  });
  for (const hat of late) for (const run of going) hat.put({ run });
  if (!same(tree.root(), root) || found !== fixed.runs) {
    throw new Failed("reports/samples.csv", "a population was fixed over another log, or counted wrongly");
  }
  return hats.map((hat) => hat.drawn());
}

class Hat {
  constructor(seed, draw) {
    [this.seed, this.count, this.by] = [seed, draw.count, get(draw, "strata", "")];
    this.best = new Map();
  }

  put(header) {
    const stratum = this.by ? words(get(header, STRATA[this.by], "")) : "";
    const rows = this.best.get(stratum) ?? [];
    rows.push([sha256hex(this.seed, bytesOf(header.run)), header.run]);
    this.best.set(stratum, rows.length > 2 * this.count + 1000 ? lowest(rows, this.count) : rows);
  }

  drawn() {
    const strata = [...this.best].sort(([a], [b]) => byPoint(a, b));
    return strata.flatMap(([, rows]) => lowest(rows, this.count).map(([, run]) => run));
  }
}

const lowest = (rows, most) => rows.sort(([a], [b]) => (a < b ? -1 : 1)).slice(0, most);

async function first(pack, size, take) {
  let left = size;
  for await (const lines of pack.lines(HEADERS)) {
    for (const line of lines) if (left-- > 0) take(line);
    if (left <= 0) return;
  }
}
