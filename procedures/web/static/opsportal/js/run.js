// A run as it happens: lines arrive by server-sent events and are put in as text, never as markup.
const log = document.querySelector("#lines"), state = document.querySelector("#log-state");
const follow = document.querySelector("#follow"), find = document.querySelector("#log-find"), hits = document.querySelector("#log-hits");
const earlier = document.querySelector("#earlier");
const MOST = 5000;
let following = true, count = log.lastElementChild ? Number(log.lastElementChild.querySelector(".n").textContent) : 0, held = 0, skipped = false;

const query = (more) => new URLSearchParams({ step: log.dataset.step, target: log.dataset.target, ...more });

function row(line, number) {
  const item = document.createElement("li"), no = document.createElement("a"), time = document.createElement("time"), text = document.createElement("span");
  item.id = `L${line.key}`;
  item.className = ["stdout", "stderr", "system"].includes(line.stream) ? line.stream : "";
  no.className = "n";
  no.href = `#L${line.key}`;
  no.textContent = number;
  time.dateTime = line.at;
  time.textContent = line.at.slice(11, 19);
  text.className = "x";
  for (const [css, words] of line.parts) {
    const part = document.createElement("span");
    part.className = css;
    part.textContent = words;
    text.append(part);
  }
  item.append(no, time, text);
  return item;
}

function put(lines) {
  if (!following && log.childElementCount >= 4 * MOST) {
    held += lines.length;
    count += lines.length;
    skipped = true;
    say();
    return;
  }
  const fresh = document.createDocumentFragment();
  for (const line of lines) if (!document.getElementById(`L${line.key}`)) fresh.append(row(line, ++count));
  const added = fresh.childElementCount;
  log.append(fresh);
  if (following) {
    trim();
    log.scrollTop = log.scrollHeight;
  } else {
    held += added;
    say();
  }
}
const piece = (item) => item.id.slice(1).split(".")[0];
function trim() {
  // Whole pieces of output are taken out at the top, so that "earlier" can fetch them again.
  while (log.childElementCount > MOST) {
    const first = piece(log.firstElementChild);
    if (piece(log.lastElementChild) === first) break;
    while (piece(log.firstElementChild) === first) log.firstElementChild.remove();
    if (earlier) { earlier.dataset.first = piece(log.firstElementChild); earlier.hidden = false; }
  }
}
function say() {
  follow.setAttribute("aria-pressed", following);
  follow.querySelector("span").textContent = following ? "Following" : held ? `${held} new lines` : "Follow";
}
async function move() {
  const answer = await fetch(`${log.dataset.live}?${query({})}`);
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  // What is replaced is not read out; this line stays, and says how the run stands.
  document.querySelector("#told").textContent = page.querySelector("#live .pill").textContent;
  // Who closes a menu comes back to what opened it, so that stays while one is open; it is looked at again afterwards.
  const menu = document.querySelector(":popover-open");
  menu?.addEventListener("toggle", move, { once: true });
  for (const id of menu ? [] : ["live", "steps"]) {
    const now = document.getElementById(id), next = page.getElementById(id);
    if (now && next && !now.contains(document.activeElement)) now.replaceWith(document.adoptNode(next));
  }
}
function watch() {
  const source = new EventSource(`${log.dataset.events}?${query({ after: log.dataset.after })}`);
  source.addEventListener("open", () => { state.textContent = "Live."; });
  source.addEventListener("log", (event) => put(JSON.parse(event.data).lines));
  source.addEventListener("state", move);
  source.addEventListener("end", (event) => { source.close(); state.textContent = JSON.parse(event.data).why; move(); });
  source.addEventListener("error", () => { state.textContent = source.readyState === EventSource.CLOSED ? "The connection was refused. Reload the page." : "Connection lost; trying again."; });
}
follow.hidden = find.hidden = false;
follow.addEventListener("click", () => { if (skipped) return location.reload(); following = !following; held = 0; if (following) log.scrollTop = log.scrollHeight; say(); });
log.addEventListener("wheel", (event) => { if (event.deltaY < 0 && following) { following = false; say(); } }, { passive: true });

let places = [], place = 0;
find.addEventListener("input", () => {
  const words = find.value.toLowerCase();
  for (const old of log.querySelectorAll("li.sel")) old.classList.remove("sel");
  places = words ? [...log.children].filter((item) => item.querySelector(".x").textContent.toLowerCase().includes(words)) : [];
  place = 0;
  jump();
});
find.addEventListener("keydown", (event) => { if (event.key === "Enter" && places.length) { event.preventDefault(); place = (place + (event.shiftKey ? places.length - 1 : 1)) % places.length; jump(); } });
function jump() {
  hits.textContent = find.value ? `${places.length ? place + 1 : 0} / ${places.length}` : "";
  for (const old of log.querySelectorAll("li.sel")) old.classList.remove("sel");
  if (!places.length) return;
  following = false;
  say();
  places[place].classList.add("sel");
  places[place].scrollIntoView({ block: "center" });
}
if (earlier) {
  earlier.hidden = !earlier.dataset.first;
  earlier.addEventListener("click", async () => {
    const answer = await fetch(`${log.dataset.lines}?${query({ before: earlier.dataset.first })}`);
    if (!answer.ok) return;
    const page = await answer.json(), first = Number(log.firstElementChild?.querySelector(".n").textContent ?? 1), height = log.scrollHeight;
    following = false;
    log.prepend(...page.lines.map((line, index) => row(line, first - page.lines.length + index)));
    log.scrollTop += log.scrollHeight - height;
    earlier.dataset.first = page.first;
    earlier.hidden = !page.more;
    say();
  });
}
log.scrollTop = log.scrollHeight;
if (location.hash.startsWith("#L")) { following = false; document.getElementById(location.hash.slice(1))?.scrollIntoView({ block: "center" }); }
say();
watch();
