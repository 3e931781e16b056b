// Which key signs a log at which size: a note that both keys signed stands for each change, in order.
import { Failed, bytesOf, same } from "./bytes.js";
import { ed25519 } from "./ed25519.js";
import { noteLine, vkey } from "./notes.js";

const TURN = "opsportal key turned v1", MEMBER = "a change of the log's key";

export class Turns {
  // Leaf `size` is the event of the change: the former key signs trees of up to `size` leaves, the next all beyond.
  rows = [];

  static async read(notes) {
    const found = new Turns();
    for (const note of notes) await found.add(note);
    return found;
  }

  async add(note) {
    const at = note.lastIndexOf("\n\n"), text = note.slice(0, at), lines = note.slice(at + 2).split("\n");
    const [name, , size, former, key] = text.split("\n"), keys = [vkey(former), vkey(key)], count = Number(size);
    const sound = text === [name, TURN, String(count), former, key].join("\n") && Number.isSafeInteger(count) && count >= 0
      && keys.every((one) => one.name === name && one.kind === 1) && !same(keys[0].raw, keys[1].raw);
    if (at < 0 || !sound || lines.length !== 3 || lines[2]) throw new Failed(MEMBER, "is malformed", 2);
    for (const [turn, by] of keys.entries()) {
      const line = noteLine(MEMBER, lines[turn]);
      const signed = line.name === by.name && line.mark === by.mark;
      if (!signed || !(await ed25519(by.raw, bytesOf(`${text}\n`), line.signature))) {
        throw new Failed(MEMBER, "is not signed by both keys");
      }
    }
    const before = this.rows.at(-1);
    if (before && (before.key !== former || before.size >= count || this.keys().includes(key))) {
      throw new Failed(MEMBER, "contradicts another one");
    }
    this.rows.push({ size: count, former, key });
  }

  keys() {
    return [...this.rows.slice(0, 1).map((row) => row.former), ...this.rows.map((row) => row.key)];
  }

  // The key that signs a tree of this size in the log that `key` is of; `key` itself where none leads there.
  at(key, size) {
    return this.keys().includes(key) ? this.keys()[this.rows.filter((row) => row.size < size).length] : key;
  }

  // Whether changes lead from the one key to the other.
  lead(from, to) {
    const keys = this.keys();
    return keys.includes(from) && keys.indexOf(to) > keys.indexOf(from);
  }
}
