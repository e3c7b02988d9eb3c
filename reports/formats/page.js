"use strict";

// Without this script all of the page can be read. With it tables are sorted and filtered, arrow keys go from
// row to row, a row shows its samples, and a command is copied.

const MANY_ROWS = 8;
const RANKS = { number: 0, text: 1, unknown: 2 };

// ---- Tables

for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  const original = [...body.rows];
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const direction = turn(head);
      body.append(...(direction ? sorted(original, column, direction) : original));
      keepOneTabStop(body);
    });
  });
  if (original.length > MANY_ROWS) addFilter(table, original);
  keepOneTabStop(body);
  body.addEventListener("keydown", walk);
}

/** Marks how the table is sorted now: 1 upwards, -1 downwards, 0 not at all. */
function turn(head) {
  const before = head.getAttribute("aria-sort");
  for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
  if (before === "descending") return 0;
  head.setAttribute("aria-sort", before ? "descending" : "ascending");
  return before ? -1 : 1;
}

/** By value, numbers before words; what is not resolved or not there comes last in both directions. */
function sorted(rows, column, direction) {
  const keyed = rows.map((row) => ({ row, ...key(row.cells[column]) }));
  keyed.sort((one, other) => {
    const forward = Math.max(one.rank, other.rank) === RANKS.unknown ? 1 : direction;
    if (one.rank !== other.rank) return forward * (one.rank - other.rank);
    if (one.rank === RANKS.unknown) return 0;
    return direction * (one.rank === RANKS.number ? compare(one.value, other.value) : collate(one.value, other.value));
  });
  return keyed.map(({ row }) => row);
}

function key(cell) {
  if ("value" in cell.dataset) return { rank: RANKS.number, value: Number(cell.dataset.value) };
  const text = cell.textContent.trim();
  return { rank: text && !cell.classList.contains("unknown") ? RANKS.text : RANKS.unknown, value: text };
}

/** Two infinite values are alike, though their difference is no number. */
function compare(one, other) {
  return one === other ? 0 : one < other ? -1 : 1;
}

function collate(one, other) {
  return one.localeCompare(other, "en", { numeric: true });
}

/** A box that leaves the rows which have all the words that are typed. */
function addFilter(table, rows) {
  const label = document.createElement("label");
  const box = document.createElement("input");
  const count = document.createElement("output");
  box.type = "search";
  label.append("Filter ", box);
  const line = document.createElement("div");
  line.className = "filter";
  line.append(label, count);
  table.closest(".scroll").before(line);
  box.addEventListener("input", () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    const texts = rows.map((row) => [...row.cells].map((cell) => cell.textContent).join(" ").toLowerCase());
    rows.forEach((row, at) => { row.hidden = !words.every((word) => texts[at].includes(word)); });
    const shown = rows.filter((row) => !row.hidden).length;
    count.value = words.length ? `${shown} of ${rows.length} rows` : "";
    keepOneTabStop(table.tBodies[0]);
  });
}

/** The links of the rows that are shown, from top to bottom. */
function links(body) {
  return [...body.rows].filter((row) => !row.hidden).map((row) => row.querySelector(".mark"));
}

/** The tab key visits one row of each table; from there arrow keys go on. */
function keepOneTabStop(body, chosen = links(body)[0]) {
  for (const row of body.rows) row.querySelector(".mark").tabIndex = -1;
  if (chosen) chosen.tabIndex = 0;
}

function walk(event) {
  const all = links(event.currentTarget);
  const at = all.indexOf(event.target);
  const wanted = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
  if (at < 0 || wanted === undefined || !all[wanted]) return;
  event.preventDefault();
  keepOneTabStop(event.currentTarget, all[wanted]);
  all[wanted].focus();
}

// ---- Samples of a row

let open = null;

document.addEventListener("pointerover", (event) => {
  if (!event.target.closest(".samples")) showSamples(event.target.closest("tr[data-samples]"));
});
document.addEventListener("focusin", (event) => showSamples(event.target.closest("tr[data-samples]")));
document.addEventListener("focusout", () => showSamples(null));
document.addEventListener("keydown", (event) => { if (event.key === "Escape") showSamples(null); });
document.addEventListener("scroll", () => { if (open) place(open); }, { capture: true, passive: true });

function showSamples(row) {
  if (open && open.row !== row) {
    open.panel.hidden = true;
    open = null;
  }
  if (!row || open) return;
  open = { row, panel: document.getElementById(row.dataset.samples) };
  open.panel.hidden = false;
  place(open);
}

/** Right below the row, or above it where the window ends. */
function place({ row, panel }) {
  const at = row.getBoundingClientRect();
  const left = Math.max(0, row.closest(".scroll").getBoundingClientRect().left);
  const fits = at.bottom + panel.offsetHeight <= window.innerHeight || at.top < panel.offsetHeight;
  panel.style.left = `${Math.max(0, Math.min(left, document.documentElement.clientWidth - panel.offsetWidth))}px`;
  panel.style.top = `${fits ? at.bottom : at.top - panel.offsetHeight}px`;
}

// ---- Parts, which are folded

const parts = [...document.querySelectorAll(".part > details")];
const contents = document.querySelector("nav details");

if (contents) {
  const wide = window.matchMedia("(min-width: 75rem)");
  const fold = () => { contents.open = wide.matches; };
  wide.addEventListener("change", fold);
  fold();
}

if (contents && parts.length) {
  const button = document.createElement("button");
  const isAllOpen = () => parts.every((part) => part.open);
  const name = () => { button.textContent = isAllOpen() ? "Close all" : "Open all"; };
  button.type = "button";
  button.addEventListener("click", () => {
    const wanted = !isAllOpen();
    for (const part of parts) part.open = wanted;
  });
  for (const part of parts) part.addEventListener("toggle", name);
  contents.append(button);
  name();
}

/** Opens what holds the place that an address names. */
function reveal(hash) {
  const target = document.getElementById(decodeURIComponent(hash.slice(1)));
  if (!target) return;
  const inside = target.querySelector(":scope > details") ?? target;
  for (let part = inside.closest("details"); part; part = part.parentElement.closest("details")) part.open = true;
  target.hidden = false;
  target.scrollIntoView();
}

// A click on the link to where one is changes no address, but the part may be closed by now.
document.addEventListener("click", (event) => {
  const link = event.target.closest("nav a");
  if (link) reveal(link.hash);
});
window.addEventListener("hashchange", () => reveal(window.location.hash));
if (window.location.hash) reveal(window.location.hash);

let closed = [];
window.addEventListener("beforeprint", () => {
  closed = parts.filter((part) => !part.open);
  for (const part of closed) part.open = true;
});
window.addEventListener("afterprint", () => { for (const part of closed) part.open = false; });

// ---- The next command

for (const command of document.querySelectorAll(".next code")) {
  const button = document.createElement("button");
  const said = document.createElement("output");
  button.type = "button";
  button.textContent = "Copy";
  button.setAttribute("aria-label", "Copy the command");
  button.addEventListener("click", async () => {
    said.value = (await copied(command)) ? "Copied" : "Press Ctrl+C";
    window.setTimeout(() => { said.value = ""; }, 4000);
  });
  command.parentElement.after(button, said);
}

/** Whether it is on the clipboard; else it is selected, so that a key copies it. */
async function copied(command) {
  try {
    await navigator.clipboard.writeText(command.textContent);
    return true;
  } catch {
    window.getSelection().selectAllChildren(command);
    return false;
  }
}
