// Populations that were fixed and samples that were drawn from them: each draw counts, and all are listed.
import { Failed, bytesOf, canon, fromHex, get, isRow, parseRow, same, sha256hex } from "./bytes.js";
import { HEADERS, Scope, UNFIXED } from "./scope.js";
import { sha256 } from "./sha256.js";
import { count, list, words } from "./sets.js";
import { table } from "./tables.js";
import { Tree, leaf } from "./tree.js";

const NONCE = /^[0-9A-Za-z_-]{8,128}$/;
const MOST_DRAWN = 10_000;
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
    const rows = this.drawn.map(({ body, index, fixed }) => [
      index, body.sample, ...about(fixed), body.actor, body.nonce, list(body.runs).join(" "),
    ]);
    const undrawn = [...this.fixed.values()].filter((fixed) => !this.drawn.some((one) => one.fixed === fixed));
    rows.push(...undrawn.map((fixed) => [fixed.index, "", ...about(fixed), fixed.body.actor, "", ""]));
    return { "reports/samples.csv": table([TITLES, ...rows]) };
  }
}

// The runs that each draw takes of a fixed population. Seed: SHA-256("sample/v1" || root || nonce || filter); rank:
// SHA-256(seed || run): neither who fixed the root before, nor who speaks the nonce, can choose.
async function rank(pack, fixed, draws) {
  if (!isRow(fixed.filter)) throw new Failed("reports/samples.csv", "a population has no filter");
  const scope = new Scope(fixed.filter), tree = new Tree(), root = fromHex(fixed.root), filter = bytesOf(canon(fixed.filter));
  const seeds = draws.map((one) => sha256(bytesOf("sample/v1"), root, bytesOf(one.nonce), filter));
  const best = draws.map(() => []);
  let found = 0;
  await first(pack, fixed.size, (line) => scope.foresee(parseRow(HEADERS, line)));
  await first(pack, fixed.size, (line) => {
    const header = parseRow(HEADERS, line);
    tree.add(leaf(line));
    if (header.k !== "run.requested" || !scope.fits(header, null)) return;
    found++;
    for (const [at, seed] of seeds.entries()) {
      best[at].push([sha256hex(seed, bytesOf(header.run)), header.run]);
      if (best[at].length > 2 * draws[at].count + 1000) best[at] = lowest(best[at], draws[at].count);
    }
  });
  if (!same(tree.root(), root) || found !== fixed.runs) {
    throw new Failed("reports/samples.csv", "a population was fixed over another log, or counted wrongly");
  }
  return best.map((rows, at) => lowest(rows, draws[at].count).map(([, run]) => run));
}

const lowest = (rows, most) => rows.sort(([a], [b]) => (a < b ? -1 : 1)).slice(0, most);

async function first(pack, size, take) {
  let left = size;
  for await (const lines of pack.lines(HEADERS)) {
    for (const line of lines) if (left-- > 0) take(line);
    if (left <= 0) return;
  }
}
