// Reports as the pack holds them: CSV, with nothing that a spreadsheet takes for a formula.
import { bytesOf, hex } from "./bytes.js";
import { Sha256 } from "./sha256.js";

// As the exporter writes what is no text.
const shown = (value) => (value === null ? "None" : value === true ? "True" : value === false ? "False" : String(value));

function cell(value) {
  const text = shown(value), safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export const table = (rows) => rows.map((row) => `${row.map(cell).join(",")}\r\n`).join("");

// The digest of titles and of rows that stand at their numbers.
export function byNumber(titles, rows) {
  const digest = new Sha256().update(bytesOf(titles));
  rows.forEach((row) => digest.update(bytesOf(row)));
  return hex(digest.digest());
}

export function strengthsTable(strengths) {
  const counts = Object.entries(strengths).sort(([a], [b]) => (a < b ? -1 : 1));
  return table([["strength", "decisions"], ...counts]);
}

// The reports that say the same whatever runs a pack is about, by name.
export function reports(authority, strengths, denials) {
  const glass = authority.glass.map((use) => [
    use.index, use.at, use.by, use.run, use.environment, use.skips.join(" "), use.reviewed, use.verdict, use.why,
  ]);
  const ahead = [...authority.ahead.values()].map((given) => [
    given.index, given.at, given.by, given.said.schedule, given.said.environment, given.said.digest,
    given.said.runs, given.runs.length, given.said.not_after, given.why,
  ]);
  const named = {
    "reports/asserted.csv": table([["index", "control", "why"], ...authority.asserted]),
    "reports/refusals.csv": table([["index", "kind", "code", "reason"], ...denials]),
    "reports/break_glass.csv": table([
      ["index", "at", "by", "run", "environment", "skipped", "reviewed_by", "verdict", "lacks"], ...glass,
    ]),
    "reports/strengths.csv": strengthsTable(strengths),
  };
  const titles = ["index", "at", "approver", "schedule", "environment", "digest", "runs", "used", "not_after", "lacks"];
  if (ahead.length) named["reports/approved_ahead.csv"] = table([titles, ...ahead]);
  return named;
}
