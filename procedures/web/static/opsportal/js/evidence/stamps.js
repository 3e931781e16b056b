// RFC 3161 answers: what they are over and which moment they say. Their signatures are not judged here.
import { Failed, Lacking, bytesOf, looseText, same } from "./bytes.js";
import { sha256 } from "./sha256.js";

const SHA256 = Uint8Array.of(0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1);

// [tag, content] of each value in DER bytes, of which each is whole.
function der(data) {
  const found = [];
  while (data.length) {
    if (data.length < 2 || (data[0] & 31) === 31) throw new Lacking("a value in another form");
    let size = data[1], head = 2;
    if (size & 128) {
      head += size & 127;
      size = data.subarray(2, head).reduce((total, byte) => total * 256 + byte, 0);
    }
    if (head > 6 || data.length < head + size) throw new Lacking("a value that is cut short");
    found.push([data[0], data.subarray(head, head + size)]);
    data = data.subarray(head + size);
  }
  return found;
}

// The content of a value by its place in each level.
const inside = (data, ...places) => places.reduce((value, place) => {
  const found = der(value)[place];
  if (!found) throw new Lacking("no RFC 3161 time stamp");
  return found[1];
}, data);

function stamped(answer) {
  const signed = inside(answer, 0, 1, 1, 0), info = inside(signed, 2, 1, 0, 0), mark = inside(info, 2), digest = inside(mark, 1);
  if (!same(inside(mark, 0, 0), SHA256) || digest.length !== 32) throw new Lacking("not over SHA-256");
  const found = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\.\d+)?Z?$/.exec(looseText(inside(info, 4)));
  if (!found) throw new Lacking("no moment");
  const [, year, month, day, hour, minute, second] = found.map(Number);
  return [digest, Date.UTC(year, month - 1, day, hour, minute, second) / 1000];
}

// Each time stamp is over the end of the log as its key signed it. `sound` stays false: verify.py judges who signed it.
export async function checkAnchors(pack) {
  const note = looseText(await pack.read("log/checkpoint.end")), at = note.lastIndexOf("\n\n") + 2;
  const data = bytesOf(`${note.slice(0, at)}${note.slice(at).split("\n")[0]}\n`), found = [];
  for (const name of [...pack.places.keys()].filter((one) => one.startsWith("log/anchors/")).sort()) {
    const answer = await pack.read(name);
    let mark, moment;
    try {
      [mark, moment] = stamped(answer);
    } catch (problem) {
      if (!(problem instanceof Lacking)) throw problem;
      throw new Failed(name, `is no time stamp: ${problem.message}`, 2);
    }
    if (!same(mark, sha256(data))) throw new Failed(name, "is over something else than the end of this log");
    found.push({ at: when(moment), sound: false });
  }
  return found;
}

export const when = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 19).replace("T", " ");
