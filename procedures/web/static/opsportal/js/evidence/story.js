// What the events of a log tell so far: authority, versions and their reviews, runs, refusals.
import { Authority } from "./authority.js";
import { givenAhead } from "./ahead.js";
import { Failed, bytesOf, canon, fromBase64, get, has, isRow, joined, parseRow, sha256hex } from "./bytes.js";
import { ed25519 } from "./ed25519.js";
import { SEALS } from "./seals.js";
import { lackingApproval, proven, runEvent } from "./run_events.js";
import { DUTIES, RISKS, at as setAt, before, count, later, latest, list, riskOf } from "./sets.js";
import { reports } from "./tables.js";
import { Turns, signerOf, turned } from "./turns.js";

const REFUSALS = ["access.denied", "lease.refused", "run.denied"];
const AS_SIGNED = ["step", "target", "attempt", "outcome", "exit", "transcript"];

export class Story {
  constructor() {
    this.authority = new Authority();
    this.strengths = { session: 0, totp: 0, signed: 0 };
    for (const map of ["versions", "accepted", "reviews", "risks", "lacking", "runs", "chains"]) this[map] = new Map();
    this.denials = [];
    this.envelope = null;
  }

  // Verifies the signatures of a body before it is taken. Shapes that are wrong are told when it is taken.
  async look(body, member) {
    this.envelope = null;
    await this.authority.look(body);
    if (!has(body, "dsse")) return;
    const { payload: encoded, payloadType, signatures } = body.dsse;
    const payload = fromBase64(encoded), kind = bytesOf(payloadType), said = parseRow(member, payload).predicate;
    const data = joined(bytesOf(`DSSEv1 ${kind.length} `), kind, bytesOf(` ${payload.length} `), payload);
    const key = this.authority.runners.get(said.runner);
    const good = key !== undefined && (await ed25519(fromBase64(key), data, fromBase64(list(signatures)[0].sig)));
    this.envelope = { said, good, digest: sha256hex(payload) };
  }

  // A change of the log's key: what is not signed by both keys at its place is asserted, and counts for nothing.
  async turn(index, body) {
    const note = get(body, "note"), { authority } = this;
    try {
      authority.changes.push(await turned(`leaf ${index}`, typeof note === "string" ? note : "", index));
    } catch (problem) {
      if (!(problem instanceof Failed)) throw problem;
      authority.assert(index, "log key", problem.reason);
    }
  }

  // Of all changes of a key that were told, those count that lead to the one that signed the log's `end`.
  async settleTurns(end) {
    const { authority } = this, { changes, asserted } = authority;
    authority.turns = Turns.around(await signerOf(end, changes.flatMap(({ former, key }) => [former, key])), changes);
    for (const row of changes.filter((one) => !authority.turns.rows.includes(one))) {
      const place = asserted.filter(([index]) => index < row.size).length;
      asserted.splice(place, 0, [row.size, "log key", "the change leads to no key that signed this log"]);
    }
  }

  // Fold the next event in; throws Failed where it breaks a rule.
  take(index, header, body, member) {
    const { authority } = this, kind = header.k;
    authority.take(index, kind, body, authority.knownAt);
    this.version(kind, body, member);
    if (kind === "version.submitted" && has(header, "p")) authority.named.set(body.procedure, header.p);
    if (kind === "standing.approved_ahead") {
      givenAhead(authority, proven(authority, body, member, this.strengths), index, header, body, member);
    }
    if (kind === "lease.issued" && has(header, "run") && this.runs.has(header.run) && get(this.runs.get(header.run), "draft")) {
      throw new Failed(member, "a draft got a credential");
    }
    if (REFUSALS.includes(kind)) {
      this.denials.push([index, kind, get(body, "code", ""), get(body, "reason") || get(body, "why") || body.message]);
    }
    if (has(header, "run")) runEvent(this, header, body, member);
    if (has(header, "run") && this.runs.get(header.run).production) this.inProduction(index, header, body);
    if (SEALS.has(kind)) this.ended(header);
    if (has(body, "dsse")) this.stated(index, header, body, member);
    else if (kind === "run.finished" && header.o === "succeeded") {
      authority.assert(index, "runner", "said to have succeeded, and no runner signed that");
    }
  }

  inProduction(index, header, body) {
    const { authority } = this, run = this.runs.get(header.run);
    if (header.k === "run.approval_carried") {
      authority.assert(index, "approval", "was carried over: that both plans say the same is not in it");
    }
    if (header.k !== "run.claimed") return;
    const why = { acceptance: this.lacking.get(body.digest), approval: lackingApproval(authority, run), request: run.asked };
    why.stop = authority.stopped(run.environment, run.procedure);
    const [begun, until] = authority.frozen.get(run.environment) ?? ["", ""];
    const dated = latest(header.at, later(authority.knownAt, 0, -1)); // where it stands tells, not its date
    if (!before(dated, begun) && before(authority.signedAt, until) && !run.thawed) {
      why.freeze = "was claimed while its environment was frozen";
    }
    for (const [what, text] of Object.entries(why)) if (text) authority.assert(index, what, text);
  }

  // Of a run that ended only what a run that goes on with it is judged by stays.
  ended(header) {
    const run = this.runs.get(header.run);
    this.runs.delete(header.run);
    const said = get(run, "said");
    if (isRow(said) && Object.keys(said).length && header.o !== "succeeded") {
      this.runs.set(header.run, { said, asked: run.asked, chain: run.chain });
    }
  }

  version(kind, body, member) {
    const { authority, risks } = this;
    if (kind === "version.submitted") this.versions.set(body.version, new Set([...list(body.authors), body.submitter]));
    else if (kind === "version.drafted") authority.drafts.set(`${body.digest}\n${body.version}`, new Set(list(body.authors)));
    else if (kind === "review.made") this.review(body, member);
    if (["version.submitted", "version.risk_raised", "version.accepted"].includes(kind)) {
      risks.set(body.version, RISKS[Math.max(riskOf(body.risk), riskOf(risks.get(body.version) ?? "low"))]);
    }
    if (kind === "version.accepted") this.lacking.set(body.digest, this.acceptance(body, member));
    if (["version.accepted", "version.revoked"].includes(kind)) this.accepted.set(body.digest, kind === "version.accepted");
  }

  review(body, member) {
    const said = proven(this.authority, body, member, this.strengths);
    if (this.versions.get(body.version)?.has(body.actor)) throw new Failed(member, "somebody reviewed their own work");
    const same = ["version", "digest", "verdict"].every((name) => said[name] === body[name]);
    if (!same || said.reviewer !== body.actor) throw new Failed(member, "the signed statement is about another review");
    if (body.verdict !== "accept") return;
    const counts = body.strength === "signed" && this.authority.signedBy(this.authority.signedAt).has(body.actor);
    if (!this.reviews.has(body.version)) this.reviews.set(body.version, new Map());
    this.reviews.get(body.version).set(body.actor, new Set(counts ? list(said.duties) : []));
  }

  // What an acceptance lacks to stand by signatures alone, or an empty string; its reviews must at least be there.
  acceptance(body, member) {
    const { authority } = this, risk = this.risks.get(body.version), given = this.reviews.get(body.version) ?? new Map();
    const named = isRow(body.reviewers) ? Object.keys(body.reviewers) : list(body.reviewers);
    if (!named.length || !named.every((who) => given.has(who))) {
      throw new Failed(member, "was accepted without the reviews that it names");
    }
    const signed = [...given].filter(([, duties]) => duties.size), needed = DUTIES.slice(0, riskOf(risk) + 1);
    const persons = { separate: needed.length, team: risk === "high" ? 2 : 1 }[authority.profile] ?? 1;
    const holds = (who, duty) => [...(authority.duties.get(duty) ?? [])].some((one) => authority.holders(one).has(who));
    const missing = needed.filter((duty) => !signed.some(([who, duties]) => duties.has(duty) && holds(who, duty)));
    if (missing.length) return `no signed review for ${missing.join(", ")}`;
    return signed.length >= persons ? "" : `needs ${persons} signed reviews, carries ${signed.length}`;
  }

  // Check a runner's statement, whose signature was looked at.
  stated(index, header, body, member) {
    const { said, good, digest } = this.envelope, { facts } = said, last = this.chains.get(said.runner);
    if (!good) throw new Failed(member, "the runner's statement is not by an enrolled runner's key");
    const sequence = count(said.sequence);
    if (last && sequence <= last.sequence) throw new Failed(member, "the runner's statements are out of sequence");
    if (last && sequence === last.sequence + 1 && said.previous !== last.digest) {
      throw new Failed(member, "the runner's statement does not follow the one before");
    }
    this.chains.set(said.runner, { sequence, digest });
    const apart = header.k === "task.finished" && AS_SIGNED.find((name) => canon(get(facts, name)) !== canon(get(body, name)));
    if (apart) throw new Failed(member, `the event and the runner's statement differ in ${apart}`);
    if (facts.run !== get(header, "run") || (header.k === "run.finished" && facts.outcome !== header.o)) {
      throw new Failed(member, "the runner's statement is about another run or outcome");
    }
    if (this.authority.goneRunners.has(said.runner)) {
      this.authority.assert(index, "runner", "a statement by a runner that had been ended");
    }
  }

  tables() {
    return reports(this.authority, this.strengths, this.denials);
  }
}
