// One pass over a log: what every event says is checked in its turn, and of a run that ended only its row is kept.
import { countAhead } from "./ahead.js";
import { byPoint, canon, Failed, Lacking, bytesOf, get, hex, looseText, parse, same, sha256hex } from "./bytes.js";
import { Gone } from "./gone.js";
import { SEALS } from "./seals.js";
import { Samples } from "./samples.js";
import { Foresight, HEADERS, Headers, Population, Scope, inHeaders } from "./scope.js";
import { latest, list, until } from "./sets.js";
import { Bundles, Singles } from "./stores.js";
import { Story } from "./story.js";

export class Reading {
  constructor(seen, scope) {
    Object.assign(this, { seen, scope, index: -1, bodies: 0, disclosed: 0, holes: [] });
    this.headers = new Headers(seen.size);
    this.story = new Story();
    this.gone = new Gone(this.story.authority);
    this.population = new Population();
    this.samples = new Samples();
  }

  // The next header, in its place.
  take(line) {
    this.index++;
    this.line = line;
    try {
      [this.header, this.run] = this.headers.take(line);
      const { authority } = this.story;
      authority.knownAt = latest(authority.knownAt, this.header.at);
      authority.signedAt = this.seen.soonest(this.index, this.header.at);
      if (this.header.k === "run.requested" && !this.scope.needsAll) this.request(null);
    } catch (problem) {
      throw inHeaders(problem);
    }
    return this.header;
  }

  // Whether the filter asks for the body of the header that was taken last.
  needsBody() {
    return this.run === null || this.run.row !== null || (this.header.n === 1 && this.scope.needsAll);
  }

  request(body) {
    if (this.run === null || !this.scope.fits(this.header, body)) return;
    this.run.row = [...["no", "run", "p", "e", "q", "at"].map((name) => this.header[name]), "", "", ""];
  }

  // The body of the header that was taken last (null: withheld), with its disclosures.
  async follow(member, data, told, place) {
    const { header, run } = this;
    let body = null;
    if (data !== null) {
      if (sha256hex(data) !== header.b) {
        throw new Failed(member, "is not what the log committed to, or is withheld without a redaction event");
      }
      if (this.gone.has(header)) throw new Failed(member, "is there, and other bodies of its run are withheld");
      body = parse(member, data);
      this.bodies++;
    }
    try {
      if (body !== null && (Array.isArray(body) || typeof body !== "object")) throw new Lacking("an object");
      if (header.k === "run.requested" && this.scope.needsAll) {
        this.request(body);
        if (!run?.row) body = null;
      }
      if (header.k === "run.approved_ahead") countAhead(this.story.authority, header);
      if (body !== null) {
        this.told(body, told, place || member);
        this.seal(member, body);
        if (Object.hasOwn(body, "sigs") || Object.hasOwn(body, "dsse")) await this.story.look(body, member);
        else this.story.authority.looked = [];
        if (header.k === "log.key_turned") await this.story.turn(this.index, body);
        this.story.take(this.index, header, body, member);
        this.samples.take(this.index, header.k, body, member);
      }
      if (run !== null) this.close(run);
    } catch (problem) {
      if (!(problem instanceof Lacking || problem instanceof TypeError || problem instanceof SyntaxError || problem instanceof RangeError)) throw problem;
      throw new Failed(member, `lacks what its kind must say (${problem.message})`);
    }
    return body;
  }

  seal(member, body) {
    if (this.run === null || !SEALS.has(this.header.k)) return;
    if (canon(body.seal) !== canon({ n: this.header.n, root: hex(this.run.tree.root()) })) {
      throw new Failed(member, "the seal does not fit the run's headers");
    }
  }

  close(run) {
    this.headers.follow(this.header, run, this.line);
    if (!SEALS.has(this.header.k) || run.row === null) return;
    run.row.splice(6, 3, this.header.o, this.header.risk, this.header.at);
    this.population.add(run.row);
  }

  // Each value kept apart is one that its event committed to; what is not there is judged at the end.
  told(body, told, place) {
    const wanted = new Set(list(get(body, "sd", []))), paths = new Set();
    for (const data of told) {
      const row = parse(place, data), digest = sha256hex(data);
      if (!wanted.delete(digest) || !Array.isArray(row) || row.length !== 3) {
        throw new Failed(place, "is not a disclosure that its event committed to");
      }
      paths.add(row[1]);
      this.disclosed++;
    }
    if (!wanted.size) return;
    const actor = get(body, "actor", "");
    const about = this.header.k === "run.commented" ? get(body, "run", "") : "";
    this.holes.push({ header: this.header, whose: get(body, "whose", actor), actor, shown: paths, values: wanted.size, about });
  }

  // After the last header: what only the whole log can tell.
  end() {
    this.headers.end();
    for (const run of this.headers.open.values()) if (run.row !== null) this.population.add(run.row);
    if (!this.scope.unknown) return;
    const said = "whether they belong to what the filter asks for cannot be told: their bodies are not here";
    throw new Failed("manifest.json", `${this.scope.unknown} requests: ${said}`, 3);
  }

  // The holes, each of which two people made; throws Failed for one that is only withheld.
  erased() {
    const { authority } = this.story;
    return this.holes.map(({ header, whose, actor, shown, values, about }) => {
      const event = header.id, holds = [...(authority.held.get(event) ?? []), ...(authority.held.get(whose) ?? [])];
      if (holds.some((hold) => heldBy(hold, header, authority.named, [whose, actor]))) {
        throw new Failed(`disclosures of ${event}`, "was erased while it was under a legal hold");
      }
      if (authority.erased.has(whose)) return { event, values, paths: ["(everything about this person)"] };
      if (authority.purged.has(about)) return { event, values, paths: ["(with its run)"] };
      const paths = [...(authority.redacted.get(event) ?? [])].filter((path) => !shown.has(path)).sort(byPoint);
      if (values > paths.length) throw new Failed(`disclosures of ${event}`, "withholds a value without a redaction event");
      return { event, values, paths };
    });
  }

  purged() {
    return this.gone.told(heldBy);
  }

  tables() {
    return { ...this.story.tables(), ...this.samples.tables() };
  }
}

// Whether a legal hold covers an event, as far as its own header and body tell.
function heldBy(hold, header, named, subjects) {
  const run = get(header, "run"), of = get(hold, "procedure");
  return get(hold, "run", run) === run && (of === null || (named.has(of) && named.get(of) === get(header, "p")))
    && (!Object.hasOwn(hold, "subject") || subjects.includes(hold.subject))
    && until(get(hold, "from", header.at), header.at) && until(header.at, get(hold, "until", header.at));
}

// Every header and every body that the filter asks for, read once from beginning to end; `told` hears the share read.
export async function readLog(pack, manifest, told) {
  const scope = new Scope(manifest.filter, get(manifest, "sample", []));
  const seen = await Foresight.of(pack, scope);
  if (seen.size !== manifest.range.end) throw new Failed(HEADERS, "does not hold every header of the range");
  const reading = new Reading(seen, scope), store = new (manifest.v === 1 ? Singles : Bundles)(pack, list(manifest.withheld));
  const attested = new Set([...pack.places.keys()].filter((name) => name.startsWith("attest/")));
  for await (const lines of pack.lines(HEADERS)) {
    for (const line of lines) await one(pack, reading, store, attested, line);
    told(reading.index / seen.size);
  }
  reading.end();
  await reading.story.settleTurns(looseText(await pack.read("log/checkpoint.end")));
  store.end();
  for (const name of attested) throw new Failed(name, "is not the statement of the run's seal");
  await reading.samples.check(pack);
  return reading;
}

async function one(pack, reading, store, attested, line) {
  const header = reading.take(line);
  let member = "bodies", data = null, place = "", told = [];
  if (reading.needsBody()) {
    [member, data] = await store.body(reading.index, header);
    if (data === null && !(header.k === "run.requested" && reading.scope.needsAll)) {
      reading.gone.withhold(member, header);
    }
  }
  if (data !== null) [place, told] = await store.disclosures(reading.index, header, data);
  const body = await reading.follow(member, data, told, place);
  if (body === null || !SEALS.has(header.k)) return;
  const name = `attest/run-${header.run}.dsse.json`;
  attested.delete(name);
  if (pack.places.has(name) && !same(await pack.read(name), bytesOf(canon(get(body, "dsse"))))) {
    throw new Failed(name, "is not the statement of the run's seal");
  }
}
