// The editor with JavaScript: lint at every pause in typing, line numbers with marks, and a warning before work is lost.
const editor = document.querySelector("#editor"), side = document.querySelector("#side");
const PAUSE = 600;
let timer = 0, asked = 0, changed = false;

for (const text of editor.querySelectorAll(".sheet textarea")) {
  const lines = document.createElement("div");
  lines.className = "gutter";
  lines.setAttribute("aria-hidden", "true");
  text.before(lines);
  text.addEventListener("scroll", () => (lines.scrollTop = text.scrollTop));
  text.lines = lines;
}

function mark() {
  const marks = new Map();
  for (const link of side.querySelectorAll("a[data-line]")) {
    const key = `${link.hash} ${link.dataset.line}`;
    if (marks.get(key) !== "error") marks.set(key, link.dataset.weight);
  }
  for (const text of editor.querySelectorAll(".sheet textarea")) {
    const rows = document.createDocumentFragment();
    const count = Math.min(text.value.split("\n").length, 5000);
    for (let line = 1; line <= count; line++) {
      const row = document.createElement("div"), weight = marks.get(`#${text.id} ${line}`);
      row.textContent = line;
      if (weight) row.className = weight === "error" ? "bad" : "warn";
      rows.append(row);
    }
    text.lines.replaceChildren(rows);
    text.lines.scrollTop = text.scrollTop;
  }
}

async function check() {
  const mine = ++asked, body = new FormData(editor);
  body.delete("upload");
  try {
    const answer = await fetch(editor.dataset.check, { method: "POST", body, headers: { "X-CSRFToken": body.get("csrfmiddlewaretoken") } });
    if (!answer.ok || mine !== asked) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    side.replaceChildren(...fresh.body.childNodes);
  } catch {
    return;
  }
  mark();
}

editor.addEventListener("input", () => {
  changed = true;
  clearTimeout(timer);
  timer = setTimeout(check, PAUSE);
});
editor.addEventListener("submit", () => (changed = false));
addEventListener("beforeunload", (event) => changed && event.preventDefault());
side.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-line]"), text = link && document.getElementById(link.hash.slice(1));
  if (!text) return;
  event.preventDefault();
  const before = text.value.split("\n").slice(0, Number(link.dataset.line) - 1).join("\n").length;
  text.focus();
  text.setSelectionRange(before ? before + 1 : 0, before ? before + 1 : 0);
  text.scrollTop = (Number(link.dataset.line) - 3) * 20;
});
mark();
