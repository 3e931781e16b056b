// Before anybody approves: fetches the plan's own bytes, hashes them, and holds page and statement to them (H21).
import { base64, fromBase64, parse, sha256hex, textOf } from "./bytes.js";
import { ascii, lines, shortCode, visible } from "./plan_words.js";

const REMAINS = "This script came from the portal too: whoever doubts the portal compares the code with what opsportal prints of it on another machine.";
const form = document.querySelector("form[data-approves]");
const place = document.querySelector("#plan-proof"), status = place?.querySelector("[role=status]");
const [, where, first, second] = location.pathname.split("/");
const about = where === "schedules" ? second : first; // the schedule or the run, by the address that the person is at
let plan = null, digest = "";
// Of each kind of statement: where the plan's bytes are, and what it must say of them and of the form.
const ofRun = `/api/v1/runs/${about}/plan/`;
const KINDS = {
  approval: { bytes: ofRun, says: ({ verdict }) => ({ run: about, plan_digest: digest, digest: plan.digest, verdict: verdict.value }) },
  "break-glass": { bytes: ofRun, says: ({ reason }) => ({ run: about, plan_digest: digest, digest: plan.digest, reason: reason.value }) },
  "pre-approval": {
    bytes: `/api/v1/schedules/${about}/ahead/`,
    says: ({ runs, not_after: until }) => ({ schedule: decodeURIComponent(about), runs: Number(runs.value), plan: digest, not_after: until.value }),
  },
};
const kind = KINDS[form?.dataset.approves];

// The page, or what it hands over to be signed, says something else than the plan's bytes.
class Apart extends Error {}

function made(tag, css, ...inside) {
  const found = document.createElement(tag);
  if (css) found.className = css;
  found.append(...inside);
  return found;
}

async function fetched() {
  const answer = await fetch(kind.bytes, { headers: { Accept: "application/json" }, cache: "no-store" });
  if (!answer.ok) throw new Error(`The plan's bytes were not to be had (${answer.status}).`);
  const said = await answer.json(), data = fromBase64(said.bytes);
  digest = `sha256:${sha256hex(data)}`;
  parse("the plan", data); // canonical: no two readers read it in two ways
  plan = JSON.parse(textOf(data));
  if (kind.bytes === ofRun && plan.run !== about) throw new Apart("These are the bytes of another run's plan.");
}

function shownFits() {
  const wanted = lines(plan), seen = new Set();
  if (!plan.reason) wanted.delete("reason");
  for (const one of document.querySelectorAll("[data-plan]")) {
    const name = one.dataset.plan, text = wanted.get(name);
    if (text === undefined || seen.has(name)) throw new Apart(`The page shows what the plan's bytes do not say: ${name}.`);
    if (ascii(text) !== ascii(one.textContent)) throw new Apart(`The page says something else of ${name} than the plan's bytes. They say: ${visible(text)}`);
    if (one.checkVisibility?.({ opacityProperty: true, visibilityProperty: true }) === false) throw new Apart(`The page hides what the plan's bytes say: ${name}.`);
    seen.add(name);
  }
  for (const name of wanted.keys()) if (!seen.has(name)) throw new Apart(`The page leaves out what the plan's bytes say: ${name}.`);
  if (document.querySelector("#plan-code").textContent !== shortCode(digest)) throw new Apart(`The code of the plan's bytes is ${shortCode(digest)}.`);
}

// Forms write the end of a line in two ways.
const oneEnd = (value) => (typeof value === "string" ? value.replaceAll("\r\n", "\n") : value);

// What would be signed is about just this plan; read from the bytes that are signed.
function signedFits() {
  const { statement, plan_digest: named } = form.elements;
  if (named.value !== digest) throw new Apart("The form names another plan.");
  if (!statement) return;
  const data = fromBase64(statement.value), said = parse("the statement", data);
  const wanted = { type: `opsportal/${form.dataset.approves}/v1`, ...kind.says(form.elements) };
  for (const [name, value] of Object.entries(wanted)) {
    if (oneEnd(said[name]) !== oneEnd(value)) throw new Apart(`What would be signed has another ${name} than what is shown.`);
  }
  const command = form.querySelector("[data-copy-me]");
  if (base64(data) !== statement.value || (command && !command.textContent.includes(textOf(data)))) {
    throw new Apart("The command signs another statement than the form.");
  }
}

function told(kind, title, ...rest) {
  const icon = place.querySelector("template").content.querySelector(`.${kind} svg`).cloneNode(true);
  const box = made("div", `note ${kind}`, icon, made("div", "wrap", made("b", "", title), ...rest));
  if (kind === "bad") box.setAttribute("role", "alert");
  status.replaceChildren(box);
}

// The whole plan, written from its bytes by this script and by nothing else.
function whole() {
  const text = made("pre", "code"), box = made("details", "gap", made("summary", "", "All that the plan's bytes say"), text);
  box.addEventListener("toggle", () => { text.textContent = visible(JSON.stringify(plan, null, 1)); });
  return box;
}

async function proved() {
  try {
    if (plan === null) await fetched();
    shownFits();
    signedFits();
  } catch (problem) {
    const apart = problem instanceof Apart || problem.member !== undefined;
    const next = apart ? "Nothing is signed here. Do not decide on this page: tell security, and keep it as it is." : "Nothing is signed until they are. Load the page again, or decide on the command line.";
    told("bad", apart ? "This page does not fit the plan." : "The plan could not be checked.", made("p", "wrap", problem.message), made("p", "", next), ...(plan ? [whole()] : []));
    return false;
  }
  const code = made("p", "mono", shortCode(digest));
  told("ok", "Your browser hashed the plan's bytes.", code, made("p", "small", `What this page says of them, and what you sign, fits. ${REMAINS}`), whole());
  return true;
}

if (form) {
  const begun = proved();
  let fits = null;
  begun.then((answer) => { fits = answer; });
  form.addEventListener("submit", async (event) => {
    if (fits === true) {
      try {
        shownFits();
        signedFits();
        return;
      } catch {
        fits = null;
      }
    }
    event.preventDefault();
    event.stopImmediatePropagation();
    if (fits === null && (await proved())) {
      fits = true;
      form.requestSubmit(event.submitter);
    }
  }, { capture: true });
}
