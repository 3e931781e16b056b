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

  // Of all that is told, the changes that lead to this key and on from it. A key is changed once, as told first, and to
  // none that was in a change before. Anybody can sign a change between two keys of their own: it leads to no key that
  // signed this log, so it is none.
  static around(key, told) {
    const firsts = [];
    for (const row of told) {
      const again = firsts.some((had) => had.former === row.former || (had.size < row.size && [had.former, had.key].includes(row.key)));
      if (!again) firsts.push(row);
    }
    const found = new Turns(), chain = found.rows, keys = [key];
    const fits = (row) => {
      if (row.former === keys.at(-1) && !keys.includes(row.key) && !(row.size <= chain.at(-1)?.size)) return [keys.length, row.key];
      if (row.key === keys[0] && !keys.includes(row.former) && !(row.size >= chain[0]?.size)) return [0, row.former];
      return null;
    };
    for (let row; (row = firsts.find(fits)); ) {
      const [place, next] = fits(row);
      keys.splice(place, 0, next);
      chain.splice(place ? chain.length : 0, 0, row);
    }
    return found;
  }

  // Believe a change that both keys signed and that goes on from the one before; throws Failed.
  async add(member, note) {
    const row = await turned(member, note), before = this.rows.filter((had) => had.name === row.name), last = before.at(-1);
    if (before.some((had) => had.note === note)) return;
    if (last && (last.key !== row.former || last.size >= row.size || this.of(row.name).includes(row.key))) {
      throw new Failed(member, "the change of the log's key contradicts another one");
    }
    this.rows.push(row);
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

// {name, size, former, key, note} of a change (at this leaf) that both keys signed, the former one first; throws Failed.
export async function turned(member, note, place = null) {
  const at = note.lastIndexOf("\n\n"), text = at < 0 ? "" : note.slice(0, at), lines = note.slice(at < 0 ? 0 : at + 2).split("\n");
  const row = changed(text);
  if (!row || lines.length !== 3 || lines[2] || (place !== null && place !== row.size)) {
    throw new Failed(member, "is no change of the log's key at this place");
  }
  const [one, two] = [await signs(row.former, text, lines[0]), await signs(row.key, text, lines[1])];
  if (!one || !two) throw new Failed(member, "the change of the log's key is not signed by both keys");
  return { ...row, note };
}

// Which of these keys signed the first line below a note; empty if none did.
export async function signerOf(note, keys) {
  const at = note.lastIndexOf("\n\n"), text = at < 0 ? "" : note.slice(0, at), [first] = note.slice(at < 0 ? 0 : at + 2).split("\n");
  for (const one of keys) if (await signs(one, text, first)) return one;
  return "";
}

// Whether a line below a note is the signature of this Ed25519 key.
async function signs(key, text, line) {
  const { name, mark, kind, raw } = vkey(key);
  try {
    const said = noteLine("", line);
    return kind === 1 && said.name === name && said.mark === mark && (await ed25519(raw, bytesOf(`${text}\n`), said.signature));
  } catch (problem) {
    if (problem instanceof Failed) return false;
    throw problem;
  }
}

// What a change says; null for a text of another form.
function changed(text) {
  const [name, , count, former, key] = text.split("\n");
  try {
    const size = Number(count), both = [vkey(former), vkey(key)];
    const whole = Number.isSafeInteger(size) && size >= 0 && !same(both[0].raw, both[1].raw);
    const sound = whole && text === [name, TURN, String(size), former, key].join("\n");
    return sound && both.every((one) => one.name === name && one.kind === 1) ? { name, size, former, key } : null;
  } catch (problem) {
    if (problem instanceof Lacking) return null;
    throw problem;
  }
}
