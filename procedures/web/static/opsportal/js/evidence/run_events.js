// The events of one run: who stands behind it, what was approved, and whether it was claimed as it may be.
import { aheadAtClaim, usedAhead } from "./ahead.js";
import { Failed, Lacking, canon, get, has, isRow, row } from "./bytes.js";
import { saidIn, statementOf } from "./said.js";
import { both, list, rows, sum, until, words } from "./sets.js";

const TIERS = ["A", "B", "C", "D"];
const CHAIN = "somebody in the chain of the request approved it";
const ANOTHER = "the signed statement is about another run or plan";
const HANDLERS = {
  "run.requested": requested,
  "run.planned": planned,
  "run.drifted": planned,
  "run.approved": approved,
  "run.approval_carried": carried,
  "run.approved_ahead": (story, run, header, body, member) => usedAhead(story.authority, run, header, body, member),
  "run.claimed": claimed,
};

export function runEvent(story, header, body, member) {
  const { runs } = story;
  if (!runs.has(header.run)) runs.set(header.run, row({ approved: [], plan: null, ahead: [], production: false }));
  if (Object.hasOwn(HANDLERS, header.k)) HANDLERS[header.k](story, runs.get(header.run), header, body, member);
}

// Count a decision by what its signatures support; a claimed signature that does not hold fails.
export function proven(authority, body, member, strengths) {
  const claimed = words(body.strength);
  if (!Object.hasOwn(strengths, claimed)) throw new Lacking("a strength");
  strengths[claimed]++;
  if (claimed === "signed" && !authority.signedBy().has(body.actor)) {
    const [ended] = authority.endedAt();
    if (ended !== undefined) throw new Failed(member, `is signed by a key that had ended before, at leaf ${ended}`);
    throw new Failed(member, "claims a signature that no key enrolled for this person made");
  }
  if (!has(body, "statement") || !statementOf(body).length) throw new Lacking("'statement'");
  return saidIn(body);
}

function requested({ authority, runs }, run, header, body) {
  const chain = new Set([...rows(body.chain).map((one) => one.by), body.requester]);
  for (const who of [...chain]) if (authority.behind.has(who)) chain.add(authority.behind.get(who));
  const said = get(body, "standing") || row({});
  for (const who of authority.standing.get(`${get(said, "kind")}\n${get(said, "name")}`)?.behind ?? []) chain.add(who);
  const { digest, requester, environment, procedure, risk } = body;
  Object.assign(run, { chain, asked: authority.stands(body), digest, before: get(body, "continues"), said });
  Object.assign(run, { asker: requester, no: get(header, "no"), environment, procedure, risk });
  const earlier = runs.get(run.before);
  if (Object.keys(said).length && earlier && has(earlier, "said") && canon(earlier.said) === canon(said)) {
    run.asked = earlier.asked; // what goes on is judged by the first request
    for (const who of earlier.chain) chain.add(who);
  }
  run.software = authority.agents.has(requester) || body.chain.some((one) => one.role === "delegator");
  run.production = authority.production.has(environment);
  run.then = authority.dutyHolders();
  run.draft = get(body, "draft") === true && !run.production;
  run.drafted = authority.drafts.get(`${digest}\n${get(body, "version", "")}`)?.has(requester) ?? false;
}

function planned(_, run, header, body) {
  run.plan = body.plan_digest;
  if (!isRow(body.approvals)) throw new Lacking("'approvals'");
  run.needed = sum(Object.values(body.approvals));
}

function strengthOf(authority, body) {
  const counts = authority.signedBy(authority.signedAt).has(body.actor);
  return body.strength === "signed" && !counts ? "session" : body.strength;
}

function approved({ authority, strengths }, run, header, body, member) {
  const said = proven(authority, body, member, strengths);
  if (run.chain.has(body.actor)) throw new Failed(member, CHAIN);
  const same = said.run === header.run && said.plan_digest === body.plan_digest && said.approver === body.actor;
  if (!same) throw new Failed(member, ANOTHER);
  run.approved.push({ plan: body.plan_digest, by: body.actor, gate: body.gate, strength: strengthOf(authority, body) });
}

// An approval of the run before this one, which counts here too: once, in time, of the plan that it names.
function carried({ authority, strengths }, run, header, body, member) {
  const said = proven(authority, body, member, strengths);
  if (run.chain.has(body.actor)) throw new Failed(member, CHAIN);
  const same = said.run === body.from && said.plan_digest === body.was_plan_digest && said.approver === body.actor;
  if (!same || said.verdict !== "approve" || said.gate !== "" || body.from !== run.before) throw new Failed(member, ANOTHER);
  if (!until(header.at, said.not_after)) throw new Failed(member, "an approval was carried over after it had expired");
  if (authority.carried.has(said.nonce)) throw new Failed(member, "an approval was carried over twice");
  authority.carried.add(said.nonce);
  run.approved.push({ plan: body.plan_digest, by: body.actor, gate: "", strength: strengthOf(authority, body) });
}

function claimed({ authority, accepted }, run, header, body, member) {
  const fine = run.draft ? run.drafted : (accepted.get(body.digest) ?? false);
  if (body.digest !== run.digest || !fine) throw new Failed(member, "what was claimed is not what was accepted");
  if (weaker(get(body, "tier", ""), get(body, "tier_asked", ""))) {
    throw new Failed(member, "it was claimed by a runner with a weaker sandbox than was asked for");
  }
  const broken = authority.glass.filter((use) => use.run === header.run && use.plan_digest === body.plan_digest);
  run.glass = broken.filter((use) => list(use.skips).includes("approval"));
  run.thawed = broken.some((use) => use.skips.includes("freeze") && !use.why);
  aheadAtClaim(authority, run);
  const people = new Set(run.approved.filter((one) => one.plan === body.plan_digest && !one.gate).map((one) => one.by));
  if (body.plan_digest !== run.plan || (people.size < run.needed && !run.glass.length)) {
    throw new Failed(member, "it was claimed without the approvals that its plan needs");
  }
  if (run.software && run.production && !people.size) {
    throw new Failed(member, "software had an effect in production that no person approved");
  }
}

// Whether a sandbox, as its runner reported it, is less than what was asked for; A is the strongest, D none.
function weaker(tier, asked) {
  return TIERS.includes(asked) && (!TIERS.includes(tier) || TIERS.indexOf(tier) > TIERS.indexOf(asked));
}

// What the approvals of a production run lack to stand by signatures alone, or an empty string.
export function lackingApproval(authority, run) {
  if (run.glass.some((use) => !use.why)) return "";
  const rules = authority.approvals.get(run.environment) ?? row({}), asked = Object.values(get(rules, run.risk, {}));
  const needed = Math.max(run.needed, sum(asked));
  const signs = run.approved.filter((one) => one.plan === run.plan && !one.gate && one.strength === "signed");
  const signed = both(new Set(signs.map((one) => one.by)), run.then); // nobody is made an approver after the request
  return signed.size >= needed ? "" : `needs ${needed} signed approvals, carries ${signed.size}`;
}
