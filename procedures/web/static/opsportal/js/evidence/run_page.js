// The button of a run's page: fetches what is to be checked, checks it here, and says what that proves.
import { Failed } from "./bytes.js";
import { NoCrypto } from "./ed25519.js";
import { Forked, checkRun } from "./run_check.js";

const MEMORY = "opsportal-log";
const PROVES = "Proven: these events, and no others of this run, stand in the log that this key signs, and since then nobody changed, dropped or added one. "
  + "Not proven: that a runner saw the truth; that nothing happened outside the portal; that people understood what they approved; "
  + "and this script came from the portal too. Whoever doubts the portal takes an evidence file, and a verifier from elsewhere.";

const place = document.querySelector("#proof-check");
const button = place.querySelector("button"), told = place.querySelector("[role=status]");

function remembered() {
  const text = localStorage.getItem(MEMORY);
  if (text === null) return null;
  const memory = JSON.parse(text);
  if (typeof memory?.key !== "string" || !Number.isSafeInteger(memory.size) || typeof memory.root !== "string") {
    throw new Failed("what this browser remembers", "cannot be read");
  }
  return memory;
}

function made(tag, css, ...inside) {
  const found = document.createElement(tag);
  if (css) found.className = css;
  found.append(...inside);
  return found;
}

function note(kind, title, ...rest) {
  const text = made("div", "wrap", made("b", "", title));
  for (const one of rest) text.append(one);
  const icon = place.querySelector("template").content.querySelector(`.${kind} svg`).cloneNode(true);
  const box = made("div", `note ${kind}`, icon, text);
  if (kind === "bad") box.setAttribute("role", "alert");
  return box;
}

const words = (text) => made("p", "wrap small", text);

function keyWords(key, first) {
  const hint = first
    ? "The key came from this portal, and is kept from now on. Compare it with what you got by another way:"
    : "The log's key is the one that this browser has known. Whoever never compared it compares it once:";
  return made("p", "small ink-2 wrap", `${hint} `, made("code", "mono wrap", key));
}

function good({ rows, remember, first }) {
  localStorage.setItem(MEMORY, JSON.stringify(remember));
  const list = made("ul", "stack small", ...rows.map((row) => made("li", "wrap", row)));
  told.replaceChildren(note("ok", "Checked here: seal, inclusion and signature hold."), list, keyWords(remember.key, first), words(PROVES));
}

function forgets() {
  const forget = made("button", "btn", "Forget what this browser remembers");
  forget.type = "button";
  forget.addEventListener("click", () => {
    localStorage.removeItem(MEMORY);
    told.replaceChildren(words("Forgotten. The next check takes the log as it finds it."));
    button.focus();
  });
  return forget;
}

function bad(problem) {
  if (problem instanceof Forked) {
    const why = "Tell your auditors and security before you do anything else, and keep this page. A log is opened anew after a loss, or its key changed, on purpose alone: then whoever runs the portal says so.";
    return told.replaceChildren(note("bad", "This is another log than before.", words(problem.message), words(why)), forgets());
  }
  if (problem instanceof NoCrypto) {
    const instead = "Nothing was checked. Take an evidence file, or the proof of this run, and check it with verify.py.";
    return told.replaceChildren(note("warn", problem.message, words(instead)));
  }
  if (problem instanceof Failed) {
    const unreadable = problem.member.startsWith("what this browser") ? [forgets()] : [];
    const why = "What this portal shows of this run is not what its log holds. Tell your auditors, and keep this page.";
    return told.replaceChildren(note("bad", "It does not fit.", words(problem.message), words(why)), ...unreadable);
  }
  told.replaceChildren(note("warn", "Nothing was checked.", words(problem.message)));
}

async function check() {
  const memory = remembered();
  const answer = await fetch(`${place.dataset.check}?seen=${memory?.size ?? ""}`, { headers: { Accept: "application/json" } });
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.detail);
  return checkRun(place.dataset.run, said, memory);
}

button.addEventListener("click", async () => {
  button.disabled = true;
  told.replaceChildren(words("Checking…"));
  try {
    good(await check());
  } catch (problem) {
    bad(problem);
  }
  button.disabled = false;
});
place.hidden = false;
