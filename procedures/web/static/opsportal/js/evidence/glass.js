// Uses of break-glass and their reviews; what signature, grant and limits do not bear is asserted only.
import { get } from "./bytes.js";
import { saidIn } from "./said.js";
import { inPlace } from "./managers.js";
import { before, later, list, until } from "./sets.js";

const SAME = ["run", "plan_digest", "digest", "skips", "not_after"];
const KEPT = ["use", "run", "plan_digest", "skips", "chain", "environment", "grant"];
const equal = (a, b) => JSON.stringify(a) === JSON.stringify(b);

export function breakGlass(authority, index, body) {
  const said = saidIn(body), now = authority.signedAt, by = body.actor;
  const why = lacking(authority, said, body, now, by);
  if (why) authority.assert(index, "break_glass", why);
  const kept = Object.fromEntries(KEPT.map((name) => [name, body[name]]));
  list(kept.skips);
  list(kept.chain);
  authority.glass.push({ ...kept, index, by, at: now, why, reviewed: "", verdict: "" });
}

function lacking(authority, said, body, now, by) {
  const earlier = authority.glass.filter((one) => one.by === by && !one.why), where = body.environment;
  const same = SAME.every((name) => equal(get(said, name), body[name]));
  const grants = [...authority.grants.values()].filter((grant) => list(grant.verbs).includes("break_glass")
    && authority.holders(grant.principal).has(by) && inPlace(authority, grant, where)
    && until(get(grant, "not_before", ""), now) && before(now, get(grant, "expires_at", "~")));
  if (get(said, "type") !== "opsportal/break-glass/v1" || !same || get(said, "by") !== by) return "its statement is about something else";
  if (!authority.signedBy(now).has(by)) return "no key that counts signed it";
  if (!until(body.not_after, later(now, 4, 1))) return "it is good for longer than four hours";
  if (!grants.length) return "no grant that stands gives that permission";
  if (earlier.filter((one) => before(now, later(one.at, 24))).length >= 3) return "it is the fourth within a day";
  const late = earlier.some((one) => until(later(one.at, 72), now) && !one.reviewed);
  return late ? "an earlier one was not reviewed within 72 hours" : "";
}

// A review counts if it is signed by somebody outside the run and the grant.
export function reviewGlass(authority, index, body) {
  const said = saidIn(body), reviewer = body.actor;
  for (const use of authority.glass.filter((one) => one.use === body.use)) {
    const grant = authority.grants.get(use.grant), signers = grant ? get(grant, "signers", []) : [];
    const same = get(said, "use") === body.use && get(said, "verdict") === body.verdict;
    let why = "";
    if (get(said, "type") !== "opsportal/break-glass-review/v1" || !same) why = "its statement is about something else";
    else if (!authority.signedBy(authority.signedAt).has(reviewer)) why = "no key that counts signed it";
    else if (reviewer === use.by || use.chain.includes(reviewer) || signers.includes(reviewer)) {
      why = "its reviewer stands behind the run or gave the permission";
    }
    if (why) authority.assert(index, "break_glass review", why);
    else Object.assign(use, { reviewed: reviewer, verdict: body.verdict });
  }
}
