// Control changes: what each lacks to stand by its signatures, and what it sets once it stands.
import { Lacking, canon, get, has, isRow, row, sha256hex } from "./bytes.js";
import { purge, setFloor } from "./gone.js";
import { saidIn, statementOf } from "./said.js";
import { SOFTWARE, STANDING, gains, holding, managers, tooLong } from "./managers.js";
import { at as setAt, both, later, list, minus, names, rows, until, union, within } from "./sets.js";

const ENDS = ["grant_end", "key_end", "runner_end", "campaign"];
const ALONE = new Set([...ENDS, "campaign_keep", "legal_hold"]);
const BY_TWO = ["redaction", "legal_hold_end", "retention", "outage"];
const PORTAL_WIDE = new Set(["membership", "duty", "profile", "key", "runner", "redaction", "source", "action", "identity_provider"]);
for (const one of ["local_sign_in", "policy", "agent", "service_account", "labels", "terms", "space"]) PORTAL_WIDE.add(one);
for (const one of ["trusted_issuer", "workload_rule", "legal_hold", "legal_hold_end"]) PORTAL_WIDE.add(one);
for (const one of ["retention", "collector"]) PORTAL_WIDE.add(one);
const equal = (a, b) => canon(a) === canon(b);

export function settle(authority, index, body, at) {
  const { control, object: thing } = body;
  if (control === "outage") outageOf(thing);
  const why = lacks(authority, control, thing, body, at) || spentBefore(authority, body);
  if (why) return authority.assert(index, control, why);
  const add = ["add", "set"].includes(get(thing, "action", "add"));
  const how = SETTERS[control] ?? (STANDING.includes(control) ? stand : setting);
  return how(authority, thing, { index, control, body, at, add });
}

// What people signed changes something once: the same words again bring nothing back that had ended.
function spentBefore(authority, body) {
  const mark = sha256hex(statementOf(body));
  if (has(body, "statement") && authority.spent.has(mark)) return "its statement stands in the log before";
  authority.spent.add(mark);
  return "";
}

// Why a control change does not stand by itself, or an empty string. `weigh`: were it for production.
function lacks(authority, control, thing, body, at, weigh = false) {
  const signs = rows(get(body, "sigs", []));
  const two = BY_TWO.includes(control), about = isAbout(control, thing, body);
  if (two && minus(new Set(about ? signs.map((one) => one.by) : []), new Set(names(thing, "behind"))).size < 2) return "needs two people, whatever the portal holds";
  if (control === "grant" && authority.terms && Object.keys(authority.terms).length && tooLong(authority, thing)) return tooLong(authority, thing);
  if (!(touches(authority, control, thing) || weigh)) return "";
  const gaining = gains(authority, control, thing, at), wide = authority.profile === "separate";
  const alone = ALONE.has(control) || control === "standing_end";
  let need = 1 + (alone ? 0 : wide || two ? 1 : gaining.size || control === "labels" ? 0 : 1);
  if (control === "key") need = wide ? 2 : 1;
  const have = about ? decided(authority, { control, thing, at, alone, gaining }) : 0;
  return have >= need ? "" : `needs ${need} signatures of managers who do not gain, carries ${Math.max(have, 0)}`;
}

function touches(authority, control, thing) {
  const { production } = authority;
  if (PORTAL_WIDE.has(control) || ALONE.has(control) || (control === "stop_lift" && !has(thing, "environment"))) return production.size > 0;
  if (control === "grant") {
    const named = names(thing, "environments");
    return named.length ? named.some((one) => production.has(one)) : production.size > 0;
  }
  if (control === "environment") return Boolean(get(thing, "production")) || production.has(get(thing, "name"));
  return production.has(get(thing, "environment"));
}

// Whether what was signed is over this very object, and no signature of elsewhere.
function isAbout(control, thing, body) {
  let said;
  try {
    said = saidIn(body);
    if (!statementOf(body).length || !isRow(said)) return false;
  } catch (problem) {
    if (problem instanceof Lacking || problem instanceof TypeError || problem instanceof SyntaxError) return false;
    throw problem;
  }
  return get(said, "control") === control && equal(get(said, "object"), thing);
}

// How many signatures count; more than can be needed for a key that an older one of the same person signed.
function decided(authority, { control, thing, at, alone, gaining }) {
  const signers = authority.signedBy(authority.signedAt);
  if (control === "key" && signers.has(thing.subject)) return Infinity;
  const deciders = managers(authority, control, thing, at);
  let asking = new Set();
  if (STANDING.includes(control)) asking = minus(holding(authority, "run", thing.procedure, thing.environment, at), authority.owners);
  if (!alone && !both(signers, deciders).size && asking.size) return 0;
  return minus(both(signers, union(deciders, asking)), gaining).size;
}

// From when on a key counts for production; empty: at once, as the first, or signed by an older one.
function countsFrom(authority, key, body) {
  const older = equal(get(saidIn(body), "object"), key) && authority.signedBy(authority.signedAt).has(key.subject);
  return !authority.keyed.has(key.subject) || older ? "" : later(authority.knownAt, 24);
}

function setGrant(authority, thing, { control, body, at }) {
  const wanted = names(thing, "selector");
  const pinned = wanted.length ? [...authority.labels].filter(([, labels]) => within(wanted, labels)).map(([name]) => name) : [];
  const open = !(authority.production.size || names(thing, "environments").length);
  const light = open && Boolean(lacks(authority, control, thing, body, at, true));
  const signers = rows(get(body, "sigs", [])).map((one) => one.by);
  authority.grants.set(body.change, row({ ...thing, pinned, signers, everywhere: !light }));
  authority.grants.delete(get(thing, "replaces", ""));
}

function setEnvironment(authority, thing, { at }) {
  const { name } = thing;
  if (thing.production) authority.production.add(name);
  else authority.production.delete(name);
  authority.approvals.set(name, get(thing, "approvals", row({})));
  authority.upTo.set(name, get(thing, "ahead_up_to", ""));
  const [begun, end] = authority.frozen.get(name) ?? ["", ""];
  authority.frozen.set(name, [until(end, at) ? at : begun, get(thing, "frozen_until", "")]);
}

function setKey(authority, thing, { body }) {
  const from = countsFrom(authority, thing, body);
  if (!authority.keys.has(thing.fingerprint)) authority.keys.set(thing.fingerprint, row({ ...thing, counts_from: from }));
  authority.ended.delete(thing.fingerprint);
  authority.keyed.add(thing.subject);
}

const SETTERS = {
  grant: setGrant,
  environment: setEnvironment,
  key: setKey,
  campaign: (authority, thing) => {
    if (authority.campaigns.has(thing.campaign)) return;
    authority.campaigns.set(thing.campaign, row({ ...thing, set: new Set(), kept: new Set() }));
  },
  campaign_keep: (authority, thing) => {
    const kept = authority.campaigns.get(thing.campaign)?.kept ?? new Set();
    for (const one of list(thing.grants)) kept.add(one);
  },
  grant_end: (authority, thing) => authority.grants.delete(thing.grant),
  stop_lift: (authority, thing) => {
    const [where, what] = authority.halted.get(thing.stop) ?? [null, null];
    if (where === get(thing, "environment", "") && what === get(thing, "procedure", "")) authority.halted.delete(thing.stop);
  },
  membership: (authority, thing, { add }) => setAt(authority.members, thing.group)[add ? "add" : "delete"](thing.person),
  duty: (authority, thing, { add }) => setAt(authority.duties, thing.duty)[add ? "add" : "delete"](thing.principal),
  legal_hold: (authority, thing, { body }) => {
    if (!authority.holds.has(body.change)) authority.holds.set(body.change, thing);
  },
  legal_hold_end: (authority, thing) => authority.holds.delete(thing.hold),
  outage: (authority, thing, { index }) => authority.outages.push({ ...outageOf(thing), index }),
  redaction: (authority, thing, about) => (has(thing, "runs") ? purge : erase)(authority, thing, about),
  retention: setFloor,
  profile: (authority, thing) => {
    authority.profile = thing.profile;
  },
  key_end: (authority, thing, { index }) => authority.endKeys(index, [thing.fingerprint]),
};

// What a record of an outage says, in short.
function outageOf({ environment, from, to, acts }) {
  if ([environment, from, to].some((one) => typeof one !== "string")) throw new Lacking("where, or from when to when");
  return { environment, from, to, acts: list(acts).length };
}

// A schedule or hook was set or ended: who stands behind what it asks for. Its name stays with its place.
function stand(authority, thing, { control, body }) {
  const key = `${control === "standing_end" ? thing.kind : control}\n${thing.name}`, known = authority.standing.get(key);
  if (known && (known.procedure !== thing.procedure || known.environment !== thing.environment)) return;
  if (control === "standing_end") {
    authority.standing.delete(key);
    return;
  }
  const said = saidIn(body), proposer = has(said, "proposer") ? said.proposer : get(body, "actor"), creator = known ? known.creator : proposer;
  const behind = new Set([creator, proposer, ...rows(get(thing, "keys", [])).map((one) => one.holder)]);
  if (authority.profile === "separate") for (const one of rows(get(body, "sigs", []))) behind.add(one.by);
  authority.standing.set(key, row({ ...thing, creator, behind, change: body.change }));
  authority.paused.delete(key);
}

// What a change sets that neither gives nor ends a right by itself.
function setting(authority, thing, { control, add }) {
  if (control === "labels") authority.labels.set(thing.procedure, new Set(list(thing.labels)));
  else if (control === "terms") authority.terms = thing;
  else if (control === "space") authority.spaces.set(thing.name, add ? thing : row({ procedures: [] }));
  else if (control === "runner") {
    if (![...authority.runners.values()].includes(thing.public)) authority.runners.set(thing.runner, thing.public); // a key is one runner's
  } else if (control === "runner_end") authority.goneRunners.add(thing.runner);
  else if (control === "identity_provider") authority.provider(thing);
  else if (Object.hasOwn(SOFTWARE, control)) {
    const subject = thing[SOFTWARE[control]];
    authority.owners.set(subject, new Set([thing.owner]));
    authority.behind.set(subject, thing.owner);
    authority.gone.delete(subject);
    if (control === "agent") authority.agents.add(subject);
  }
}

// What is erased, and which holds lived then.
function erase(authority, thing) {
  const whole = has(thing, "subject"), name = whole ? thing.subject : thing.event, held = authority.held.get(name) ?? [];
  if (!whole || !authority.held.has(name)) authority.held.set(name, [...held, ...authority.holds.values()]);
  if (whole) authority.erased.add(name);
  else for (const path of list(thing.paths)) setAt(authority.redacted, name).add(path);
}
