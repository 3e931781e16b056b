// The page of the offline verifier: takes a file and keys, and says in words what the worker found.
const find = (id) => document.getElementById(id);
const form = find("form"), told = find("told"), drop = find("drop"), progress = find("progress"), doing = find("doing");
const LADDER = {
  INTACT: "every hash, proof and seal holds.",
  SIGNED: "and the log's key signed exactly this log.",
  WITNESSED: "and a quorum of the witnesses that you named saw this very log grow, without a rewrite.",
};
let file = null, worker = null;

function made(tag, css, ...inside) {
  const one = document.createElement(tag);
  if (css) one.className = css;
  one.append(...inside);
  return one;
}

function chosen(one) {
  file = one ?? null;
  find("name").textContent = file ? `${file.name}, ${file.size.toLocaleString("en-GB")} bytes` : "No file chosen.";
}

function sentences(found) {
  if ("index" in found) {
    const body = found.body === null ? "withheld" : JSON.stringify(found.body);
    return [`Place ${found.index} of ${found.size} in the log: ${JSON.stringify(found.header)}`, `Its body: ${body}`];
  }
  const { decisions: d, break_glass: glass } = found;
  const rows = [
    `${found.events} events, ${found.runs} runs in scope, ${found.bodies} bodies: every hash, proof and seal holds.`,
    `Reviews and approvals by strength: session ${d.session}, totp ${d.totp}, signed ${d.signed}.`,
    `Break-glass: ${glass.used}, ${glass.unreviewed} unreviewed.`,
  ];
  for (const one of found.stamps) rows.push(`Time stamp of ${one.at} UTC; that is what it says. This page does not judge who signed it: verify.py --tsa-roots does.`);
  for (const one of found.mldsa) rows.push(`Signed with ML-DSA-44 beside Ed25519 by ${one.name}+${one.mark}${one.trusted ? "." : "; you did not give this key, so it counts for nothing."}`);
  for (const one of found.recovered) {
    const lost = one.lost === null ? "an unknown number of" : one.lost;
    rows.push(`LOG OPENED ANEW: leaf ${one.index}, after ${one.former.split("+")[0]} went back to ${one.restored.size} events; ${lost} published events are not in it.`);
  }
  for (const one of found.turned) rows.push(`Key turned: leaf ${one.index}; trees beyond it are signed by ${one.key}, up to it by ${one.former}.`);
  for (const one of found.outages) rows.push(`OUT OF USE: leaf ${one.index}, ${one.environment} from ${one.from} to ${one.to}; ${one.acts} acts by hand.`);
  for (const one of found.ahead) rows.push(`APPROVED AHEAD: ${one.used} of ${one.runs} runs of the schedule ${one.schedule}, by ${one.approver}`);
  for (const one of found.asserted) rows.push(`ASSERTED BY PLATFORM: leaf ${one.index}, ${one.control}: ${one.why}`);
  for (const one of found.closed) rows.push(`ASSERTED BY PLATFORM: leaf ${one.index}, person.closed: nobody signs it; it only takes from ${one.subject}, for good`);
  for (const [name, one] of Object.entries(found.providers).sort()) {
    if (one.authority.length) rows.push(`IDENTITY PROVIDER ${name} IS AN AUTHORITY: it put people into ${one.authority.join(", ")}.`);
    if (one.outside) rows.push(`Identity provider ${name} put people into groups ${one.outside} times; outside production alone.`);
  }
  for (const one of found.erased) rows.push(`ERASED: ${one.values} value(s) of event ${one.event}: ${one.paths.join(", ")}`);
  for (const one of found.purged) {
    rows.push(`PURGED: ${one.runs} run(s), ${one.bodies} bodies, after their time; two people agreed at leaf ${one.index}: ${one.basis}`);
  }
  for (const one of found.holds) {
    const what = ["run", "procedure", "subject", "from", "until"].filter((name) => name in one).map((name) => `${name} ${one[name]}`);
    rows.push(`UNDER LEGAL HOLD: ${what.join(", ")} (${one.basis}).`);
  }
  if (found.samples) rows.push(`${found.samples} samples were drawn, each by its nonce: reports/samples.csv lists all.`);
  rows.push(`Not checked, since derived: ${found.unread.join(", ")}.`);
  return rows;
}

function cosigned(one) {
  const counts = one.trusted ? "" : "; you did not give this key, so it counts for nothing";
  return `Cosigned by ${one.name} at ${one.at} UTC${counts}.`;
}

function verdict(kind, word, ...rest) {
  told.replaceChildren(made("div", `verdict ${kind}`, made("h2", "", word), ...rest));
  told.querySelector("h2").tabIndex = -1;
  told.querySelector("h2").focus();
}

function failed(found) {
  const means = { FAILED: "What is in this file is not what the log holds.", MALFORMED: "This file is not in the form that a pack has.", UNDETERMINED: "What is here does not reach what was asked for." };
  verdict("bad", `✗ ${found.verdict}`, made("p", "", means[found.verdict]), made("p", "mono", `${found.member}: ${found.reason}`));
}

function good(found) {
  const levels = Object.keys(LADDER), at = levels.indexOf(found.verdict), ladder = made("ol", "ladder");
  levels.forEach((level, step) => {
    const item = made("li", step <= at ? "met" : "", made("b", "", `${step <= at ? "✓" : "–"} ${level}`), ` ${LADDER[level]}`);
    ladder.append(item);
  });
  ladder.append(made("li", "", made("b", "", "– TIMESTAMPED"), " is not judged by this page: verify.py --tsa-roots does."));
  if (!at) ladder.append(made("li", "met", "No key was given, so anybody can have made this file."));
  verdict(at ? "ok" : "warn", `${at ? "✓" : "!"} ${found.verdict}`, ladder);
  const rows = [...sentences(found), ...found.witnesses.map(cosigned)];
  told.append(made("h3", "", "What was found"), made("ul", "", ...rows.map((row) => made("li", "", row))));
  told.append(made("h3", "", "Not proven by this"), made("ul", "", ...found.not_proven.map((row) => made("li", "", row))));
  const elsewhere = "That this page itself is the one that its makers published is not proven either: get it by another way than the pack, and compare its SHA-256.";
  told.append(made("p", "", elsewhere));
}

function answered({ data }) {
  if ("what" in data) {
    doing.textContent = `${data.what}: ${Math.round(data.share * 100)} %`;
    progress.value = data.share;
    return;
  }
  ended();
  if ("found" in data) (data.found.member === undefined ? good : failed)(data.found);
  else verdict("warn", data.wrong ? "! Cannot begin" : "! Nothing was verified", made("p", "", data.wrong ?? data.unable));
}

function ended() {
  worker?.terminate();
  worker = null;
  doing.textContent = "";
  for (const id of ["progress", "stop"]) find(id).hidden = true;
  find("start").disabled = false;
}

async function begin() {
  if (!file) return verdict("warn", "! No file", made("p", "", "Choose a pack (.zip), or a proof (.tlog-proof)."));
  const lines = find("witnesses").value.split("\n").map((line) => line.trim()).filter(Boolean), [policy] = find("policy").files;
  const given = { logKey: find("key").value.trim(), witnessKeys: lines, quorum: find("quorum").value ? Number(find("quorum").value) : null };
  given.policyText = policy ? await policy.text() : "";
  given.mldsaKey = find("mldsa").value.trim();
  const [turns] = find("turns").files;
  given.turnsText = turns ? await turns.text() : "";
  const require = given.logKey || given.policyText ? find("require").value : "INTACT";
  told.replaceChildren();
  const source = URL.createObjectURL(new Blob([find("engine").textContent], { type: "text/javascript" }));
  worker = new Worker(source);
  worker.onmessage = answered;
  worker.onerror = (problem) => answered({ data: { unable: `This browser could not run the verifier (${problem.message ?? "no worker"}). Take verify.py.` } });
  for (const id of ["progress", "stop"]) find(id).hidden = false;
  find("start").disabled = true;
  worker.postMessage({ file, given, require });
  return undefined;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  begin().catch((problem) => answered({ data: { unable: problem.message } }));
});
find("stop").addEventListener("click", () => {
  ended();
  verdict("warn", "! Stopped", made("p", "", "Nothing was verified."));
});
find("file").addEventListener("change", (event) => chosen(event.target.files[0]));
for (const kind of ["dragover", "dragleave", "drop"]) {
  addEventListener(kind, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", kind === "dragover");
    if (kind === "drop") chosen(event.dataTransfer.files[0]);
  });
}
