// Where bodies and disclosures stand: a member for each (form 1), or a line for each in bundles (form 2).
import { Failed, byPoint, get, has, looseText, parse, sha256hex } from "./bytes.js";

const BUNDLE = 1024; // leaves whose bodies, and whose disclosures, stand in one member
const kept = (pack) => new Set([...pack.places.keys()].filter((name) => /^(bodies|disclosures)\//.test(name)));

export class Singles {
  constructor(pack) {
    this.pack = pack;
    this.left = kept(pack);
    this.of = new Map();
    for (const name of [...this.left].sort(byPoint)) {
      if (!name.startsWith("disclosures/")) continue;
      const event = name.slice("disclosures/".length).split(".")[0];
      this.of.set(event, [...(this.of.get(event) ?? []), name]);
    }
  }

  // [member, bytes or null].
  async body(index, header) {
    const name = `bodies/${header.id}.json`;
    this.left.delete(name);
    return [name, this.pack.places.has(name) ? await this.pack.read(name) : null];
  }

  async disclosures(index, header) {
    const found = this.of.get(header.id) ?? [];
    for (const name of found) this.left.delete(name);
    return [`disclosures/${header.id}`, await Promise.all(found.map((name) => this.pack.read(name)))];
  }

  end() {
    for (const name of [...this.left].sort(byPoint)) {
      throw new Failed(name, `belongs to no ${name.startsWith("bodies/") ? "header" : "event"} of the scope`);
    }
  }
}

export class Bundles {
  constructor(pack, withheld) {
    this.pack = pack;
    this.withheld = new Set(withheld);
    this.left = kept(pack);
    this.rows = { bodies: [], disclosures: [] };
  }

  // The member of a folder for this place in the log; the one before must be used up.
  async turn(folder, index) {
    const name = `${folder}/${String(Math.floor(index / BUNDLE)).padStart(8, "0")}.jsonl`;
    if (!this.left.has(name)) return name;
    this.usedUp(folder);
    this.left.delete(name);
    const rows = [];
    for await (const lines of this.pack.lines(name)) rows.push(...lines);
    if (!rows.length) throw new Failed(name, "is empty", 2);
    this.rows[folder] = rows.reverse();
    return name;
  }

  usedUp(folder) {
    if (this.rows[folder].length) {
      throw new Failed(folder, "holds a line that belongs to no event of the scope, or stands out of its place");
    }
  }

  async body(index, header) {
    const name = await this.turn("bodies", index), member = `${name}, event ${header.id}`;
    if (this.withheld.delete(header.id)) return [member, null];
    return [member, this.pack.places.has(name) ? (this.rows.bodies.pop() ?? null) : null];
  }

  // The lines that come next, in the order in which the body lists their digests.
  async disclosures(index, header, data) {
    const name = await this.turn("disclosures", index), found = [], { disclosures } = this.rows;
    if (!this.pack.places.has(name) || !looseText(data).includes('"sd":[')) return [name, found];
    const body = parse(name, data);
    if (body === null || typeof body !== "object" || !has(body, "sd")) return [name, found];
    for (const digest of get(body, "sd")) {
      if (disclosures.length && sha256hex(disclosures.at(-1)) === digest) found.push(disclosures.pop());
    }
    return [name, found];
  }

  end() {
    for (const folder of ["bodies", "disclosures"]) this.usedUp(folder);
    const [name] = [...this.left, ...this.withheld].sort(byPoint);
    if (name !== undefined) throw new Failed(name, "belongs to no header of the scope");
  }
}
