// Who could decide a change at its moment, and who gains by it: by living grants, and never software.
import { get, has } from "./bytes.js";
import { RISKS, before, list, minus, names, riskOf, until, union, within, withinDays } from "./sets.js";

export const SOFTWARE = { agent: "agent", service_account: "account" };
export const STANDING = ["schedule", "hook", "standing_end"];
const OPERATED = new Set(["binding", "target", "inventory", "secret", "runner", "runner_end", "stop_lift", "outage", ...STANDING]);
const PLACED = ["binding", "target", "inventory", "secret", "stop_lift", "outage"];
const NOTHING = {};

export function managers(authority, control, thing, at) {
  let grant = control === "grant_end" ? (authority.grants.get(thing.grant) ?? NOTHING) : control === "grant" ? thing : NOTHING;
  let procedure = get(grant, "procedure"), where = names(grant, "environments");
  if (PLACED.includes(control) && has(thing, "environment")) where = [thing.environment];
  if (STANDING.includes(control)) [procedure, where] = [thing.procedure, [thing.environment]];
  if (has(grant, "replaces")) [procedure, where, grant] = [null, [], NOTHING]; // it ends another one
  const found = new Set();
  for (const verb of OPERATED.has(control) ? ["manage_access", "operate"] : ["manage_access"]) {
    const each = (where.length ? where : [null]).map((one) => holding(authority, verb, procedure, one, at));
    for (const who of each[0]) if (each.every((one) => one.has(who))) found.add(who);
  }
  if (Object.keys(grant).length) {
    for (const space of authority.spaces.values()) for (const who of leads(authority, space, control, grant, at)) found.add(who);
  }
  return minus(found, authority.owners);
}

// The leads of a space, if this grant lies inside it: for its end by place alone.
function leads(authority, space, control, grant, at) {
  const where = names(grant, "environments"), owned = has(grant, "procedure") && authority.owns(space, grant.procedure);
  let inside = owned && where.length > 0 && within(where, new Set(list(space.environments)));
  if (inside && control === "grant") {
    inside = within(list(grant.verbs), new Set(list(space.verbs))) && withinDays(grant.not_before, grant.expires_at, space.days);
    inside = inside && RISKS.slice(0, riskOf(space.risk) + 1).includes(authority.risks.get(grant.procedure));
    const bound = grant.verbs.includes("run") && names(space, "targets").length > 0;
    inside = inside && (!bound || space.targets.includes(get(grant, "target_filter")));
    const live = [...authority.grants.values()].filter((one) => has(one, "procedure") && before(at, one.expires_at));
    const held = live.filter((one) => authority.owns(space, one.procedure)).length;
    inside = inside && held < get(space, "at_once", held + 1);
  }
  return inside ? leadsOf(authority, space) : new Set();
}

const leadsOf = (authority, space) => union(...list(space.leads).map((lead) => authority.holders(lead)), []);

// Who holds a verb over a procedure and an environment then; null is every one of them.
export function holding(authority, verb, procedure, environment, at) {
  const found = new Set();
  for (const grant of authority.grants.values()) {
    const live = list(grant.verbs).includes(verb) && until(grant.not_before, at) && before(at, grant.expires_at);
    if (!live || !reaches(authority, grant, procedure) || !inPlace(authority, grant, environment)) continue;
    for (const who of authority.holders(grant.principal)) found.add(who);
  }
  return found;
}

function reaches(authority, grant, procedure) {
  const wanted = names(grant, "selector");
  if (!has(grant, "procedure") && !wanted.length) return true;
  if (procedure === null) return false;
  if (procedure === get(grant, "procedure")) return true;
  if (!get(grant, "grows")) return get(grant, "pinned", []).includes(procedure);
  const labels = authority.labels.get(procedure);
  return labels !== undefined && within(wanted, labels);
}

// Whether a grant reaches an environment (null: every one); an unsigned one no production that came later.
export function inPlace(authority, grant, environment) {
  const where = names(grant, "environments");
  if (where.length) return where.includes(environment);
  const laterOn = environment === null ? authority.production.size > 0 : authority.production.has(environment);
  return get(grant, "everywhere", true) || !laterOn;
}

// Who gains authority from a change, owners of software that gains included.
export function gains(authority, control, thing, at) {
  const found = gainers(authority, control, thing, at);
  return union(found, ...[...found].map((subject) => authority.owners.get(subject) ?? []));
}

function gainers(authority, control, thing, at) {
  const add = get(thing, "action", "add") === "add";
  if (control === "grant" || (control === "duty" && add)) return authority.holders(thing.principal);
  if (control === "membership" && add) return new Set([thing.person]);
  if (control === "space" && thing.action === "set") return leadsOf(authority, thing);
  if (control === "key") return new Set([thing.subject]);
  if (control === "workload_rule" && thing.action === "set") return new Set([thing.account]);
  if (Object.hasOwn(SOFTWARE, control)) return new Set([thing.owner]);
  if (control === "redaction") return new Set(names(thing, "behind"));
  if (control === "stop_lift") return new Set(authority.stops.has(thing.stop) ? [authority.stops.get(thing.stop)] : []);
  if (control === "campaign_keep") {
    const kept = list(thing.grants).filter((name) => authority.grants.has(name));
    return union(...kept.map((name) => authority.holders(authority.grants.get(name).principal)), []);
  }
  return control === "labels" ? labelled(authority, thing, at) : new Set();
}

function labelled(authority, thing, at) {
  const had = authority.labels.get(thing.procedure) ?? new Set(), now = new Set(list(thing.labels)), found = new Set();
  const comesIn = (wanted) => within(wanted, now) && !within(wanted, had);
  for (const grant of authority.grants.values()) {
    if (get(grant, "grows") && before(at, grant.expires_at) && comesIn(names(grant, "selector"))) {
      for (const who of authority.holders(grant.principal)) found.add(who);
    }
  }
  for (const space of authority.spaces.values()) {
    const wanted = names(space, "labels");
    if (wanted.length && comesIn(wanted)) for (const who of leadsOf(authority, space)) found.add(who);
  }
  return found;
}

// Why a grant outlasts the longest terms that a change set, or an empty string.
export function tooLong(authority, grant) {
  const named = names(grant, "environments"), { terms, production } = authority;
  let { days } = terms;
  const touches = !named.length || named.some((one) => production.has(one));
  if (list(grant.verbs).includes("run") && production.size && touches) days = Math.min(days, terms.production_run_days);
  if (grant.verbs.includes("break_glass")) days = Math.min(days, terms.break_glass_days);
  return withinDays(grant.not_before, grant.expires_at, days) ? "" : `is longer than the ${days} days of the terms`;
}
