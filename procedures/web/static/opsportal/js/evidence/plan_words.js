// A plan in words: the same as procedures/domain/plan_words.py says of the same bytes (tests/domain/plan_words.json).
const SHOWN = 60, MINUTE = 60, HOUR = 3600, DAY = 86400;
const HIDDEN = /[\p{C}\p{Zl}\p{Zp}\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\uffa0\ufe00-\ufe0d\u{e0100}-\u{e01ef}]/gu;
const isRow = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const names = (row) => Object.keys(row).sort();

function escaped(char) {
  const point = char.codePointAt(0), digits = point.toString(16);
  if (point < 0x100) return `\\x${digits.padStart(2, "0")}`;
  return point < 0x10000 ? `\\u${digits.padStart(4, "0")}` : `\\U${digits.padStart(8, "0")}`;
}
// Every control, format and invisible character written out.
export const visible = (text) => text.replace(HIDDEN, (char) => (char === "\n" || char === "\t" ? char : escaped(char)));
// All but printable ASCII written out: equal for texts of which one has escaped what the other has not.
export const ascii = (text) => text.replace(/[^\n\t\x20-\x7e]/gu, escaped);

// The first 32 digits of a fingerprint in eight groups of four.
export const shortCode = (digest) => digest.replace(/^sha256:/, "").slice(0, 32).match(/.{4}/g).join(" ");

const word = (value) => (value === null ? "None" : value === true ? "True" : value === false ? "False" : String(value));
const quote = (text) => (text === "" ? "''" : /[^\w@%+=:,./-]/.test(text) ? `'${text.replaceAll("'", `'"'"'`)}'` : text);
const empty = (value) => value === null || value === "" || (typeof value === "object" && !Object.keys(value).length);

function told(value) {
  if (Array.isArray(value)) return value.map(told).join(", ");
  if (!isRow(value)) return word(value);
  const keys = names(value);
  if (keys.length === 1 && keys[0] === "secret") return "«secret»";
  if (keys.length === 1 && keys[0] === "decided at run time by") return `«decided at run time by ${word(value[keys[0]])}»`;
  const pairs = (but) => keys.filter((key) => key !== but && !empty(value[key])).map((key) => `${key}=${told(value[key])}`).join(" ");
  if (!keys.includes("argv") || !Array.isArray(value.argv)) return pairs();
  const line = value.argv.map((part) => (typeof part === "string" ? quote(part) : told(part))).join(" "), rest = pairs("argv");
  return rest ? `${line} ${rest}` : line;
}

function plainly(value) {
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value)) return value.map(plainly).join(", ") || "none";
  return isRow(value) ? names(value).map((key) => `${key}: ${plainly(value[key])}`).join(", ") || "none" : word(value);
}

function length(whole) {
  const two = (number) => String(number).padStart(2, "0"), of = (number) => Math.floor(whole / number);
  if (whole < 1) return "< 1 s";
  if (whole < MINUTE) return `${whole} s`;
  if (whole < HOUR) return whole % MINUTE ? `${of(MINUTE)} m ${two(whole % MINUTE)} s` : `${of(MINUTE)} m`;
  if (whole >= 2 * DAY) return `${of(DAY)} d`;
  return whole % HOUR >= MINUTE ? `${of(HOUR)} h ${two(Math.floor((whole % HOUR) / MINUTE))} m` : `${of(HOUR)} h`;
}

function targets(plan) {
  const all = (Object.hasOwn(plan, "targets") ? plan.targets : []).map((target) => target.name);
  if (!all.length) return "none; it runs on the portal's runner";
  const more = all.length > SHOWN ? ` and ${all.length - SHOWN} more` : "", most = Math.max(...plan.batches.map((batch) => batch.length));
  return `${all.length}, ${most} at a time: ${all.slice(0, SHOWN).join(" ")}${more}`;
}

// Place → text: all that a page says of a plan.
export function lines(plan) {
  const found = new Map([["what", `${plan.procedure} in ${plan.environment}, risk ${plan.risk}`], ["reason", plan.reason]]);
  found.set("parameters", names(plan.parameters).map((name) => `${name}=${plainly(plan.parameters[name])}`).join(" ") || "none");
  found.set("targets", targets(plan));
  for (const name of names(plan.credentials ?? {})) {
    const lent = plan.credentials[name];
    found.set(`rights/${name}`, `${name} by ${lent.provider} as ${lent.role}, ${length(lent.ttl_s)}`);
  }
  plan.steps.forEach((step, number) => {
    step.effects.forEach(({ does }, place) => found.set(`steps/${number}/${place}`, `${step.action} ${empty(does) ? "" : told(does)}`));
    if (step.if) found.set(`steps/${number}/if`, step.if);
  });
  return found;
}
