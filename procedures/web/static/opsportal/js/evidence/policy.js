// A C2SP tlog-policy: logs, witnesses, and which of these together are a quorum.
import { Lacking } from "./bytes.js";
import { vkey } from "./notes.js";

const raws = (keys) => new Set(keys.map((key) => String(vkey(key).raw))).size;

export class Policy {
  constructor() {
    this.logs = [];
    this.witnesses = new Map();
    this.groups = new Map();
    this.quorum = "none";
  }

  // Any `quorum` of these witnesses.
  static ofKeys(keys, quorum) {
    const lines = keys.map((key, n) => `witness w${n} ${key.trim()}`), names = keys.map((_, n) => `w${n}`).join(" ");
    return Policy.read([...lines, `group g ${quorum} ${names}`, "quorum g", ""].join("\n"));
  }

  // The policy in a text. Throws Lacking, which names the line.
  static read(text) {
    const policy = new Policy();
    let ended = false;
    if (/[\x00-\x08\x0b-\x1f\x7f]/.test(text) || (text && !text.endsWith("\n"))) {
      throw new Lacking("a policy: it holds a control character, or its last line has no end");
    }
    for (const [at, line] of text.split("\n").entries()) {
      const words = line.split(/[ \t]+/).filter(Boolean);
      if (!words.length || words[0].startsWith("#")) continue;
      try {
        if (words[0] === "quorum") {
          policy.end(words, ended);
          ended = true;
        } else {
          policy.define(words);
        }
      } catch (problem) {
        throw new Lacking(`line ${at + 1} of the policy: ${problem.message}`);
      }
    }
    if (!ended) throw new Lacking("the policy has no quorum line");
    return policy;
  }

  define(words) {
    const [what, name, key] = words;
    if (what === "log" && [2, 3].includes(words.length)) {
      this.logs.push(name);
      if (raws(this.logs) !== this.logs.length || vkey(name).kind === 4) throw new Lacking("a log's key stands twice, or is a witness's");
    } else if (what === "witness" && [3, 4].includes(words.length)) {
      this.fresh(name);
      this.witnesses.set(name, key);
      const keys = [...this.witnesses.values()];
      if (raws(keys) !== keys.length || vkey(key).kind === 1) throw new Lacking("a witness's key stands twice, or is a log's");
    } else if (what === "group" && words.length > 3) {
      this.group(name, key, words.slice(3));
    } else {
      throw new Lacking("expected log, witness, group or quorum, with what each needs");
    }
  }

  group(name, many, members) {
    this.fresh(name);
    if (!["any", "all"].includes(many) && !/^[0-9]{1,4}$/.test(many)) throw new Lacking(`${many.slice(0, 20)} is no number of members`);
    const count = many === "any" ? 1 : many === "all" ? members.length : Number(many);
    const grouped = [...this.groups.values()].flatMap((one) => one.members), all = [...members, ...grouped];
    const known = members.every((one) => this.witnesses.has(one) || this.groups.has(one));
    if (!known || new Set(all).size !== all.length) throw new Lacking("a member is not defined above, or is a member already");
    if (!(count >= 1 && count <= members.length)) throw new Lacking(`${many} of ${members.length} members`);
    this.groups.set(name, { count, members });
  }

  fresh(name) {
    if (name === "none" || this.witnesses.has(name) || this.groups.has(name)) throw new Lacking(`the name ${name.slice(0, 60)} is taken`);
  }

  end(words, ended) {
    const [, name] = words;
    if (ended || words.length !== 2) throw new Lacking("exactly one quorum line is needed");
    if (name !== "none" && !this.witnesses.has(name) && !this.groups.has(name)) throw new Lacking(`${name.slice(0, 60)} is not defined above`);
    this.quorum = name;
  }

  // Whether these keys (as text) are a quorum. `quorum none` never is: it asks for no witness at all.
  met(cosigners) {
    const by = (name) => {
      if (this.witnesses.has(name)) return cosigners.has(this.witnesses.get(name));
      const { count, members } = this.groups.get(name);
      return members.filter(by).length >= count;
    };
    return this.quorum !== "none" && by(this.quorum);
  }
}
