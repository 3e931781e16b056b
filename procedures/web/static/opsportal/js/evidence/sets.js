// Sets, moments and counts, as strict as the rules need them: what is of another type is told, never compared.
import { Lacking, get, isRow } from "./bytes.js";

export const RISKS = ["low", "moderate", "high"];
export const DUTIES = ["operations", "security", "compliance"];

export const union = (...all) => new Set(all.flatMap((one) => [...one]));
export const minus = (a, b) => new Set([...a].filter((one) => !b.has(one)));
export const both = (a, b) => new Set([...a].filter((one) => b.has(one)));
export const within = (a, b) => [...a].every((one) => b.has(one));
export const sum = (numbers) => numbers.reduce((total, one) => total + count(one), 0);
// The set that stands under a name, begun if it is not there.
export function at(map, name) {
  if (!map.has(name)) map.set(name, new Set());
  return map.get(name);
}

export function riskOf(name) {
  if (!RISKS.includes(name)) throw new Lacking("a risk");
  return RISKS.indexOf(name);
}

export function count(value) {
  if (!Number.isSafeInteger(value)) throw new Lacking("a whole number");
  return value;
}

export function words(value) {
  if (typeof value !== "string") throw new Lacking("a text");
  return value;
}

export function list(value) {
  if (!Array.isArray(value)) throw new Lacking("a list");
  return value;
}

export function rows(value) {
  for (const one of list(value)) if (!isRow(one)) throw new Lacking("a list of objects");
  return value;
}

export const before = (a, b) => words(a) < words(b);
export const until = (a, b) => words(a) <= words(b);
export const latest = (a, b) => (words(a) > words(b) ? a : b);
export const names = (row, name) => list(get(row, name) || []);

const MOMENT = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?Z*$/;
function parts(moment) {
  const found = MOMENT.exec(words(moment));
  const at = found ? Date.parse(`${found[1]}Z`) : NaN;
  if (Number.isNaN(at)) throw new Lacking("a moment");
  return [at, (found[2] ?? "").padEnd(6, "0")];
}

// A moment so much later, in the log's form.
export function later(moment, hours, minutes = 0) {
  const [at, micro] = parts(moment), moved = new Date(at + (hours * 60 + minutes) * 60_000);
  return `${moved.toISOString().slice(0, 19)}.${micro}Z`;
}

// Whether at most so many days lie between two moments.
export function withinDays(begins, ends, days) {
  const micros = ([at, micro]) => BigInt(at) * 1000n + BigInt(micro);
  return micros(parts(ends)) - micros(parts(begins)) <= BigInt(count(days)) * 86_400_000_000n;
}
