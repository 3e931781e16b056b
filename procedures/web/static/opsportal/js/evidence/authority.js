// What control events say, in the order of the log; what does not carry its signatures is asserted only.
import { bytesOf, canon, get, has, row, sha256hex } from "./bytes.js";
import { settle } from "./controls.js";
import { breakGlass, reviewGlass } from "./glass.js";
import { statementOf } from "./said.js";
import { passkey, sshsig } from "./signatures.js";
import { at as setAt, list, names, rows, until, words } from "./sets.js";
import { Turns } from "./turns.js";

const KEPT = ["former", "restored", "reason", "by"];

export class Authority {
  constructor() {
    Object.assign(this, { profile: "team", bootstrapped: false, knownAt: "", signedAt: "", terms: null });
    for (const set of ["production", "keyed", "carried", "erased", "gone", "agents", "paused", "spent", "goneRunners"]) this[set] = new Set();
    const maps = ["keys", "ended", "runners", "drafts", "duties", "approvals", "frozen", "members", "owners", "grants", "labels"];
    maps.push("spaces", "risks", "redacted", "closed", "providers", "campaigns", "words", "synced", "behind", "stops", "halted");
    maps.push("standing", "ahead", "upTo", "named", "holds", "held", "purged");
    for (const map of maps) this[map] = new Map();
    this.turns = new Turns();
    for (const list of ["glass", "recovered", "outages", "asserted", "floors", "changes"]) this[list] = [];
    this.looked = [];
  }

  assert(index, what, why) {
    this.asserted.push([index, what, why]);
  }

  // What stands still that a run of this procedure there would pass; what it calls is not told by the log.
  stopped(environment, procedure) {
    for (const [where, what] of this.halted.values()) {
      if (where === environment || what === procedure || !(where || what)) {
        return `was claimed while ${where || what || "the whole portal"} was stopped`;
      }
    }
    return "";
  }

  holders(principal) {
    const [kind, ...rest] = words(principal).split(":"), name = rest.join(":");
    const found = kind === "person" ? [name] : [...(this.members.get(name) ?? [])];
    return new Set(found.filter((one) => !this.gone.has(one)));
  }

  dutyHolders() {
    return new Set([...this.duties.values()].flatMap((one) => [...one].flatMap((name) => [...this.holders(name)])));
  }

  owns(space, procedure) {
    const wanted = names(space, "labels"), labels = this.labels.get(procedure);
    return list(space.procedures).includes(procedure) || (wanted.length > 0 && wanted.every((one) => labels?.has(one)));
  }

  // Verifies the signatures of a body before it is taken: the only part of the rules that must wait for the browser.
  async look(body) {
    this.looked = [];
    if (!has(body, "sigs")) return;
    const statement = statementOf(body);
    for (const one of rows(body.sigs)) {
      const ssh = get(one, "method") === "ssh";
      const mark = ssh ? await sshsig(get(one, "sig", ""), statement) : get(one, "key");
      const key = this.keys.get(mark || "");
      const good = ssh || (key !== undefined && (await passkey(one, statement, key)));
      this.looked.push({ by: get(one, "by"), method: get(one, "method"), mark: mark || "", good });
    }
  }

  // Subjects whose enrolled key signed the statement of the body that was looked at. `at`: for production, where a key
  // that takes the place of a lost one counts a day after its enrolment.
  signedBy(at = "~") {
    const found = new Set();
    for (const { by, method, mark, good } of this.looked) {
      const key = this.keys.get(mark);
      if (!key || key.subject !== by || get(key, "method", "ssh") !== method || !good) continue;
      if (until(get(key, "counts_from", ""), at)) found.add(by);
    }
    return found;
  }

  // Where in the log the keys ended that signed the body's statement too late.
  endedAt() {
    return this.looked.filter((one) => this.ended.has(one.mark)).map((one) => this.ended.get(one.mark)).sort((a, b) => a - b);
  }

  // What nobody kept in a campaign whose date has come is over: its signed opening said so.
  lapse() {
    for (const [name, one] of [...this.campaigns]) {
      if (!until(one.due_at, this.signedAt)) continue;
      this.campaigns.delete(name);
      for (const grant of one.set) if (!one.kept.has(grant)) this.grants.delete(grant);
    }
  }

  take(index, kind, body, at) {
    this.lapse();
    if (kind === "genesis" && index === 0) this.genesis(body);
    else if (kind === "bootstrap.granted") this.bootstrap(index, body);
    else if (kind === "control.confirmed") settle(this, index, body, at);
    else if (kind === "log.recovered") {
      const kept = Object.fromEntries(KEPT.map((name) => [name, body[name]]));
      this.recovered.push({ ...kept, index, lost: get(body, "lost") });
    } else if (kind === "standing.paused") this.paused.add(`${body.standing}\n${body.name}`);
    else if (kind === "standing.resumed") this.paused.delete(`${body.standing}\n${body.name}`);
    else if (kind === "standing.taken_back") this.takeBack(body.ahead);
    else if (kind === "stop.thrown") {
      if (!this.stops.has(body.stop)) {
        this.halted.set(body.stop, [body.environment, body.procedure]);
        this.stops.set(body.stop, get(body, "actor", ""));
      }
    } else if (kind === "break_glass.used") breakGlass(this, index, body);
    else if (kind === "break_glass.reviewed") reviewGlass(this, index, body);
    else if (kind === "membership.synced") this.sync(body);
    else if (kind === "version.accepted") this.risks.set(String(get(body, "procedure")), body.risk);
    else if (kind === "person.closed") this.close(index, body.subject);
    else if ((kind === "person.made" || kind === "account.given") && get(body, "owner")) {
      setAt(this.owners, body.subject).add(body.owner);
    } else if (kind === "campaign.opened" && this.campaigns.has(body.campaign)) this.opened(body);
  }

  genesis(body) {
    this.profile = body.profile;
    this.production = new Set(rows(body.environments).filter((one) => one.production).map((one) => one.name));
    this.approvals = new Map(body.environments.map((one) => [one.name, get(one, "approvals", row({}))]));
    this.runners = new Map(rows(body.runners).map((one) => [one.runner, one.public]));
  }

  bootstrap(index, body) {
    if (this.bootstrapped) return this.assert(index, "bootstrap", "a second bootstrap grant");
    this.bootstrapped = true;
    const grant = { principal: `person:${body.subject}`, verbs: list(body.verbs), not_before: body.at, expires_at: body.expires_at };
    this.grants.set(body.grant, row(grant));
    for (const key of rows(body.keys)) {
      this.keys.set(key.fingerprint, key);
      this.keyed.add(key.subject);
    }
    for (const duty of get(body, "duties", [])) setAt(this.duties, duty).add(`person:${body.subject}`);
    return undefined;
  }

  takeBack(ahead) {
    if (this.ahead.has(ahead)) this.ahead.get(ahead).over = "taken back";
  }

  opened(body) {
    const one = this.campaigns.get(body.campaign), ids = [...list(body.grants)].sort();
    if (`sha256:${sha256hex(bytesOf(canon(ids)))}` === one.grants) one.set = new Set(ids);
  }

  // What an identity provider said of a group: it counts if signed changes declare it an authority for that.
  sync(body) {
    const { provider: name, group, subject } = body, pair = `${group}\n${subject}`;
    const word = setAt(this.words, name), known = this.providers.get(name);
    if (!this.synced.has(name)) this.synced.set(name, { authority: [], outside: 0 });
    const told = this.synced.get(name);
    if (body.action === "remove") {
      this.members.get(group)?.delete(subject);
      word.delete(pair);
    } else if (known && get(known, "authority") && Object.values(known.groups).includes(group)) {
      const members = setAt(this.members, group);
      if (members.has(subject)) return;
      members.add(subject);
      word.add(pair);
      told.authority = [...new Set([...told.authority, group])].sort();
    } else {
      told.outside++;
    }
  }

  // A provider was set or ended: what it said before counts only while it is an authority.
  provider(thing) {
    const still = thing.action === "set" ? thing : row({});
    this.providers.set(thing.name, still);
    const word = this.words.get(thing.name) ?? new Set();
    for (const pair of [...word]) {
      const [group, subject] = pair.split("\n");
      if (get(still, "authority") && Object.values(still.groups).includes(group)) continue;
      this.members.get(group)?.delete(subject);
      word.delete(pair);
    }
  }

  // From this place in the log on these keys sign nothing; what stands before it stays signed.
  endKeys(index, marks) {
    for (const mark of marks) if (this.keys.delete(mark)) this.ended.set(mark, index);
  }

  // Somebody left: grants, memberships and keys of theirs end here, for good.
  close(index, subject) {
    if (!this.closed.has(subject)) this.closed.set(subject, index);
    this.gone.add(subject);
    for (const [name, grant] of [...this.grants]) if (grant.principal === `person:${subject}`) this.grants.delete(name);
    this.endKeys(index, [...this.keys].filter(([, key]) => key.subject === subject).map(([mark]) => mark));
    for (const members of this.members.values()) members.delete(subject);
  }

  // Why no signed schedule or hook stands behind a request that names one, or an empty string.
  stands(body) {
    const said = get(body, "standing") || row({});
    if (!Object.keys(said).length && !["schedule", "hook"].includes(get(body, "door"))) return "";
    const one = this.standing.get(`${get(said, "kind")}\n${get(said, "name")}`);
    let same = one && ["procedure", "digest", "environment"].every((name) => one[name] === body[name]);
    same = same && (one.account === body.requester || Boolean(get(body, "continues")));
    return same ? "" : "no signed schedule or hook asked for this";
  }
}
