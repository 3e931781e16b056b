// What every page gains from JavaScript: copying, the palette, and a plan that follows the form.
const $ = (selector, root = document) => root.querySelector(selector);
const csrf = () => $("input[name=csrfmiddlewaretoken]")?.value ?? "";

for (const block of document.querySelectorAll("[data-copy-me]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "btn s26";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(block.textContent);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  block.after(button);
}
document.addEventListener("click", (event) => {
  const mark = event.target.closest?.("[data-copy]");
  if (mark) navigator.clipboard?.writeText(mark.dataset.copy);
});

document.querySelectorAll(".tabs [aria-current]").forEach((tab) => tab.scrollIntoView({ block: "nearest", inline: "center" }));

const PAGES = [["Home", "/"], ["Procedures", "/procedures/"], ["Runs", "/runs/"], ["Approvals", "/approvals/"], ["Reviews", "/reviews/"], ["Access", "/access/"], ["People", "/people/"], ["Environments", "/environments/"], ["Evidence", "/evidence/"], ["Settings", "/settings/"]];
const palette = $("#palette"), box = $("#palette input"), list = $("#palette ul");
let asked = 0, answered = 0, chosen = 0, go = false;

function fill(rows) {
  chosen = 0;
  list.replaceChildren(...rows.slice(0, 14).map(([title, url, hint], index) => {
    const item = document.createElement("li"), link = document.createElement("a"), more = document.createElement("span");
    link.href = url;
    link.setAttribute("role", "option");
    link.setAttribute("aria-selected", index === 0);
    link.append(title, more);
    more.className = "ink-3";
    more.textContent = hint ?? "";
    item.append(link);
    return item;
  }));
}
async function look() {
  go = false;
  const mine = ++asked, words = box.value.trim().toLowerCase();
  const pages = PAGES.filter(([title]) => title.toLowerCase().includes(words)).map(([title, url]) => [title, url, "page"]);
  const answer = await fetch(`/procedures/find/?q=${encodeURIComponent(words)}`, { headers: { Accept: "application/json" } });
  const found = answer.ok ? (await answer.json()).results.map((row) => [row.title, row.url, row.hint]) : [];
  if (mine !== asked) return;
  answered = mine;
  fill([...found, ...pages]);
  if (go) open();
}
function open() {
  // Enter may come before the answer to the last letter: what an older word found is never opened.
  go = answered !== asked;
  if (!go) list.querySelectorAll("a")[chosen]?.click();
}
function step(by) {
  const links = [...list.querySelectorAll("a")];
  if (!links.length) return;
  links[chosen]?.setAttribute("aria-selected", false);
  chosen = (chosen + by + links.length) % links.length;
  links[chosen].setAttribute("aria-selected", true);
  links[chosen].scrollIntoView({ block: "nearest" });
}
document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    palette.showModal();
    box.select();
    look();
  }
});
box?.addEventListener("input", look);
box?.addEventListener("keydown", (event) => {
  if (event.key === "ArrowDown" || event.key === "ArrowUp") { event.preventDefault(); step(event.key === "ArrowDown" ? 1 : -1); }
  if (event.key === "Enter") { event.preventDefault(); open(); }
});

const ask = $("#ask");
if (ask) {
  let timer = 0, turn = 0;
  const show = async () => {
    if (!$("#will-happen")) return;
    const mine = ++turn;
    const answer = await fetch(ask.dataset.preview, { method: "POST", body: new FormData(ask), headers: { "X-CSRFToken": csrf() } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html"), panel = page.querySelector("#will-happen");
    if (mine !== turn || !panel || !answer.ok) return;
    $("#will-happen").replaceWith(document.adoptNode(panel));
    // What is replaced is not read out; this line stays, and says how many targets match.
    const count = $("#matched")?.textContent.trim() ?? "", told = $("#told");
    if (told.textContent !== count) told.textContent = count;
  };
  // What was typed may bring in other fields: they are asked for anew, and the one in hand is kept.
  const shape = (root) => [...root.querySelectorAll("[name],[data-listed]")].map((one) => one.dataset.listed ?? one.name).join();
  const renew = async (more) => {
    const fields = $("#fields[data-fields]"), form = new FormData(ask), inHand = document.activeElement?.id;
    if (more) form.set(...more);
    const answer = await fetch(fields.dataset.fields, { method: "POST", body: form, headers: { "X-CSRFToken": csrf() } });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (!more && shape(page) === shape(fields)) return;
    fields.replaceChildren(...[...page.body.childNodes].map((node) => document.adoptNode(node)));
    if (inHand) document.getElementById(inHand)?.focus();
    if ($("[data-asking]", fields)) setTimeout(() => renew(), 1000);
  };
  const grow = (event) => { if ($("#fields[data-grows]")?.contains(event.target)) renew(); };
  ask.addEventListener("click", (event) => {
    const button = event.target.closest("#fields button[name]");
    if (!button) return;
    event.preventDefault();
    renew([button.name, button.value]);
  });
  ask.addEventListener("change", grow);
  // A chosen file becomes a data URL in the field beside it; what is sent is hashed before anybody approves it.
  ask.addEventListener("change", async (event) => {
    const file = event.target.files?.[0], into = event.target.dataset.into;
    if (!into) return;
    event.target.removeAttribute("name");
    const said = $(`[data-file="${CSS.escape(into)}"]`), value = document.getElementById(into);
    value.value = "";
    if (file && file.size > 48000) { said.textContent = `${file.name} has ${file.size} bytes; at most 48,000 are taken.`; return; }
    if (file) {
      const bytes = new Uint8Array(await file.arrayBuffer());
      const text = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
      value.value = `data:${file.type || "application/octet-stream"};name=${encodeURIComponent(file.name)};base64,${text}`;
    }
    said.textContent = file ? `${file.name}, ${file.size} bytes` : "At most 48 kB.";
    ask.dispatchEvent(new Event("input", { bubbles: true }));
  });
  ask.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(show, 350); });
  if (!$("#will-happen .steps") && !$(".note.bad")) show();
}
