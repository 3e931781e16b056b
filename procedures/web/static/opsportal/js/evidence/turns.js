// Which key signs a log at which size: a note that both keys signed stands for each change, in order.
import { Failed, Lacking, bytesOf, same } from "./bytes.js";
import { ed25519 } from "./ed25519.js";
import { noteLine, openNote, vkey } from "./notes.js";

const TURN = "opsportal key turned v1";

export class Turns {
  // Leaf `size` is the event of the change: the former key signs trees of up to `size` leaves, the next all beyond.
  rows = [];

  static async read(notes, member = "a change of the log's key") {
    const found = new Turns();
    for (const note of notes) await found.add(member, note);
    return found;
  }

  // Those of a file that the portal publishes (`turns`); throws Lacking.
  static async file(text) {
    try {
      const notes = JSON.parse(text);
      if (!Array.isArray(notes) || !notes.every((note) => typeof note === "string")) throw new Lacking("the turns are no list of notes");
      return await Turns.read(notes, "turns");
    } catch (problem) {
      if (problem instanceof Failed || problem instanceof SyntaxError) throw new Lacking(problem.message);
      throw problem;
    }
  }

  // Believe a change that both keys signed and that goes on from the one before; throws Failed.
  async add(member, note, place = null) {
    const at = note.lastIndexOf("\n\n"), text = at < 0 ? "" : note.slice(0, at), lines = note.slice(at < 0 ? 0 : at + 2).split("\n");
    const row = changed(text);
    if (!row || lines.length !== 3 || lines[2] || (place !== null && place !== row.size)) {
      throw new Failed(member, "is no change of the log's key at this place");
    }
    for (const [turn, by] of row.signers.entries()) {
      const line = noteLine(member, lines[turn]), signed = line.name === by.name && line.mark === by.mark;
      if (!signed || !(await ed25519(by.raw, bytesOf(`${text}\n`), line.signature))) {
        throw new Failed(member, "the change of the log's key is not signed by both keys");
      }
    }
    const before = this.rows.filter((had) => had.name === row.name), last = before.at(-1);
    if (before.some((had) => had.note === note)) return;
    if (last && (last.key !== row.former || last.size >= row.size || this.of(row.name).includes(row.key))) {
      throw new Failed(member, "the change of the log's key contradicts another one");
    }
    this.rows.push({ ...row, note });
  }

  // The keys of a log that changed its key, in their order.
  of(name) {
    const rows = this.rows.filter((row) => row.name === name);
    return [...rows.slice(0, 1).map((row) => row.former), ...rows.map((row) => row.key)];
  }

  // The key that signs a tree of this size in the log that `key` is of; `key` itself where none leads there.
  at(key, size) {
    const { name, text } = vkey(key), keys = this.of(name);
    return keys.includes(text) ? keys[this.rows.filter((row) => row.name === name && row.size < size).length] : key;
  }

  // Whether changes lead from the one key to the other.
  lead(from, to) {
    const keys = this.of(vkey(to).name);
    return keys.includes(from) && keys.indexOf(to) > keys.indexOf(from);
  }

  // As openNote, by the key that signs a log of that size; a key beyond its range signs nothing.
  open(member, note, key, witnesses) {
    const [, said] = note.split("\n", 2);
    return openNote(member, note, this.at(key, /^[0-9]{1,19}$/.test(said ?? "") ? Number(said) : 0), witnesses);
  }
}

// What a change says, and who must have signed it; null for a text of another form.
function changed(text) {
  const [name, , count, former, key] = text.split("\n");
  try {
    const size = Number(count), signers = [vkey(former), vkey(key)];
    const whole = Number.isSafeInteger(size) && size >= 0 && !same(signers[0].raw, signers[1].raw);
    const sound = whole && text === [name, TURN, String(size), former, key].join("\n");
    return sound && signers.every((one) => one.name === name && one.kind === 1) ? { name, size, former, key, signers } : null;
  } catch (problem) {
    if (problem instanceof Lacking) return null;
    throw problem;
  }
}
