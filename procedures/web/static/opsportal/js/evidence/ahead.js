// Approvals given ahead for runs of a schedule: what was signed, which runs it let go, and when it was over.
import { Failed, bytesOf, byPoint, canon, get, has, isRow, sha256hex } from "./bytes.js";
import { RISKS, later, riskOf, rows, union, until, words } from "./sets.js";

const AHEAD = ["schedule", "change", "procedure", "digest", "environment", "account", "targets", "plan", "runs", "not_after"];
const OWN = ["run", "no", "requester", "continues"];
const MOST_RUNS = 2500, DAYS = 90;
const equal = (a, b) => canon(a) === canon(b);
const planOf = (work) => `sha256:${sha256hex(bytesOf(canon(work)))}`;

// Keep an approval of runs of a schedule, given ahead: what was signed (`said`), and the very plan that it is of.
export function givenAhead(authority, said, index, header, body, member) {
  const { work } = body;
  const same = said.type === "opsportal/pre-approval/v1" && AHEAD.every((name) => equal(said[name], body[name]));
  if (!same || said.approver !== body.actor || said.nonce !== body.ahead) {
    throw new Failed(member, "the signed statement is about another approval");
  }
  const targets = rows(work.targets).map((one) => words(one.name)).sort(byPoint);
  const fits = ["procedure", "digest", "environment", "parameters"].every((name) => equal(said[name], work[name]));
  if (OWN.some((name) => has(work, name)) || planOf(work) !== said.plan || !equal(targets, said.targets) || !fits) {
    throw new Failed(member, "the plan that it holds is not the one that was signed");
  }
  const standing = authority.standing.get(`schedule\n${said.schedule}`);
  const behind = union(standing?.behind ?? [], [said.account], authority.owners.get(said.account) ?? []);
  if (behind.has(body.actor)) throw new Failed(member, "somebody behind the schedule approved it ahead");
  if (authority.ahead.has(said.nonce)) throw new Failed(member, "an approval was given ahead twice under one name");
  let why = "";
  if (!authority.signedBy(authority.signedAt).has(body.actor)) why = "no key that counts signed it";
  else if (standing?.change !== said.change) why = "no signed change set its schedule so";
  else if (!until(said.not_after, later(header.at, DAYS * 24, 1)) || !until(said.not_after, standing.expires_at)) {
    why = "it is good for longer than ninety days, or than its schedule";
  } else if (!Number.isSafeInteger(said.runs) || said.runs <= 0 || said.runs > MOST_RUNS) why = "it is for no number of runs";
  if (why) authority.assert(index, "approval ahead", why);
  const then = authority.dutyHolders();
  authority.ahead.set(said.nonce, { index, at: header.at, by: body.actor, said, work, why, over: "", runs: [], then });
}

// Each run that an approval given ahead let go, from headers alone: so every pack counts all of them.
export function countAhead(authority, header) {
  const member = `bodies/${header.id}.json`, given = authority.ahead.get(get(header, "a", ""));
  if (!given) throw new Failed(member, "was approved ahead by nothing that stands in the log before it");
  if (!given.runs.includes(header.run)) given.runs.push(header.run);
  if (!Number.isSafeInteger(given.said.runs) || given.runs.length > given.said.runs) {
    throw new Failed(member, "an approval given ahead was used more often than it was signed for");
  }
}

// Why an approval given ahead lets nothing go any more, or an empty string.
function over(authority, given) {
  const key = `schedule\n${given.said.schedule}`;
  if (authority.standing.get(key)?.change !== given.said.change) return "its schedule had been set anew, or had ended";
  if (authority.paused.has(key)) return "its schedule was paused";
  return given.over || (authority.gone.has(given.by) ? "its approver had left" : "");
}

// An approval given ahead lets this run go: of its schedule, in time, and of the very plan that was signed.
export function usedAhead(authority, run, header, body, member) {
  const given = authority.ahead.get(header.a);
  if (!given) throw new Failed(member, "was approved ahead by nothing that stands in the log before it");
  const { said } = given, { own } = body, named = run.said;
  if (get(named, "kind") !== "schedule" || get(named, "name") !== said.schedule || get(named, "change") !== said.change) {
    throw new Failed(member, "was approved ahead for another schedule, or another setting of it");
  }
  if (said.digest !== run.digest || said.environment !== run.environment || said.account !== run.asker) {
    throw new Failed(member, "was approved ahead for another version, place or account");
  }
  const continues = has(own, "continues") && isRow(own.continues) ? get(own.continues, "run") : null;
  const mine = own.run === header.run && own.no === run.no && own.requester === run.asker && continues === run.before;
  if (!Object.keys(own).every((name) => OWN.includes(name)) || !mine) throw new Failed(member, "names another run than its own");
  const plan = planOf({ ...given.work, ...own });
  if (body.ahead !== header.a || plan !== body.plan_digest || plan !== run.plan) {
    throw new Failed(member, "what was approved ahead is another plan");
  }
  if (run.chain.has(given.by)) throw new Failed(member, "somebody in the chain of the request approved it ahead");
  const ended = over(authority, given);
  if (!until(header.at, said.not_after) || ended) {
    throw new Failed(member, `was approved ahead by what was over: ${ended || "its time had ended"}`);
  }
  run.ahead.push([plan, given]);
}

// What was approved ahead counts once the run begins, if it was not taken back before: then it goes on with it.
export function aheadAtClaim(authority, run) {
  for (const [plan, given] of run.ahead) {
    if (over(authority, given)) continue;
    const good = !given.why && given.then.has(given.by) && letAhead(authority, run.environment, run.risk);
    run.approved.push({ plan, by: given.by, gate: "", strength: good ? "signed" : "session" });
  }
  run.ahead = [];
}

// Whether the rules of an environment let approvals be given ahead at this risk: never high in production.
function letAhead(authority, environment, risk) {
  const upTo = authority.upTo.get(environment) ?? "", high = authority.production.has(environment) && risk === RISKS.at(-1);
  return RISKS.includes(upTo) && riskOf(risk) <= riskOf(upTo) && !high;
}
