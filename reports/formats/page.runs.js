
// ---- Runs over time: the run under a pointer, a finger or the arrow keys, with its conditions

const SVG = "http://www.w3.org/2000/svg";
const ALWAYS = ["commit", "driver", "torch", "clock setting", "host"];
const NEAR = 4;
const COMMIT_DIGITS = 10;
const digits = new Intl.NumberFormat("en", { minimumSignificantDigits: 4, maximumSignificantDigits: 4 });
const { runs, charts } = JSON.parse(document.getElementById("run-data").textContent);
const runPanel = document.createElement("div");
let shownPlot = null;

document.getElementById("run-help").hidden = false;
runPanel.className = "run-panel";
runPanel.hidden = true;
document.body.append(runPanel);

for (const plot of document.querySelectorAll(".plot")) {
  const chart = charts[plot.dataset.chart];
  const places = placesOf(chart);
  const last = chart.runs.length - 1;
  let at = last;
  const go = (wanted) => {
    at = Math.min(Math.max(wanted, 0), last);
    showRun(plot, chart, places[at], at);
  };
  const point = (event) => go(nearest(plot, places, event));
  plot.tabIndex = 0;
  plot.setAttribute("role", "slider");
  plot.setAttribute("aria-label", `Runs of ${plot.closest("figure").querySelector("figcaption").firstElementChild.textContent}`);
  plot.setAttribute("aria-valuemin", 1);
  plot.setAttribute("aria-valuemax", last + 1);
  tell(plot, at, sentence(chart, at));
  plot.addEventListener("pointermove", point);
  plot.addEventListener("pointerdown", (event) => {
    plot.focus({ preventScroll: true });
    point(event);
  });
  plot.addEventListener("pointerleave", () => { if (document.activeElement !== plot) hideRun(plot); });
  plot.addEventListener("focus", () => go(at));
  plot.addEventListener("blur", () => hideRun(plot));
  plot.addEventListener("keydown", (event) => {
    const wanted = {
      ArrowRight: at + 1, ArrowUp: at + 1, ArrowLeft: at - 1, ArrowDown: at - 1,
      PageUp: at + 10, PageDown: at - 10, Home: 0, End: last,
    }[event.key];
    if (event.key === "Escape") hideRun(plot);
    if (wanted === undefined) return;
    event.preventDefault();
    plot.scrollIntoView({ block: "nearest" });
    go(wanted);
  });
}

document.addEventListener("scroll", () => { if (shownPlot) placePanel(shownPlot); }, { capture: true, passive: true });

/** Where each run stands in the picture, in its own units. */
function placesOf({ runs: own, values, box: [left, right, top, bottom], time: [first, end], range: [low, high] }) {
  return own.map((run, at) => {
    const share = (values[at] - low) / (high - low);
    return {
      x: end > first ? left + (runs.seconds[run] - first) / (end - first) * (right - left) : (left + right) / 2,
      y: bottom - Math.min(Math.max(share, 0), 1) * (bottom - top),
    };
  });
}

/** Years of nights share columns of pixels: of the runs near the pointer's column the one nearest to it. */
function nearest(plot, places, event) {
  const svg = plot.querySelector("svg");
  const box = svg.getBoundingClientRect();
  const scale = svg.viewBox.baseVal.width / box.width;
  const x = (event.clientX - box.left) * scale;
  const y = (event.clientY - box.top) * scale;
  const columns = places.map((place) => Math.abs(place.x - x));
  const reach = Math.max(NEAR, Math.min(...columns));
  let best = 0;
  let least = Infinity;
  columns.forEach((column, at) => {
    const distance = column > reach ? Infinity : Math.hypot(column, places[at].y - y);
    if (distance < least) [best, least] = [at, distance];
  });
  return best;
}

function showRun(plot, chart, place, at) {
  if (shownPlot && shownPlot !== plot) hideRun(shownPlot);
  shownPlot = plot;
  tell(plot, at, sentence(chart, at));
  moveCursor(plot.querySelector("svg"), chart.box, place);
  runPanel.replaceChildren(...lines(chart, at));
  placePanel(plot);
}

function hideRun(plot) {
  plot.querySelector(".run-cursor")?.remove();
  if (shownPlot !== plot) return;
  runPanel.hidden = true;
  shownPlot = null;
}

function tell(plot, at, words) {
  plot.setAttribute("aria-valuenow", at + 1);
  plot.setAttribute("aria-valuetext", words);
}

function moveCursor(svg, [, , top, bottom], { x, y }) {
  let cursor = svg.querySelector(".run-cursor");
  if (!cursor) {
    cursor = document.createElementNS(SVG, "g");
    cursor.setAttribute("class", "run-cursor");
    cursor.append(document.createElementNS(SVG, "path"), document.createElementNS(SVG, "circle"));
    svg.append(cursor);
  }
  cursor.firstChild.setAttribute("d", `M${x} ${top}V${bottom}`);
  for (const [name, value] of Object.entries({ cx: x, cy: y, r: 4 })) cursor.lastChild.setAttribute(name, value);
}

/** Below the picture, or above it where the window ends, so that it hides nothing of it; gone with it. */
function placePanel(plot) {
  const box = plot.getBoundingClientRect();
  runPanel.hidden = box.bottom < 0 || box.top > window.innerHeight;
  const fits = box.bottom + runPanel.offsetHeight <= window.innerHeight || box.top < runPanel.offsetHeight;
  const left = Math.min(box.left, document.documentElement.clientWidth - runPanel.offsetWidth);
  runPanel.style.left = `${Math.max(0, left)}px`;
  runPanel.style.top = `${fits ? box.bottom : box.top - runPanel.offsetHeight}px`;
}

function lines(chart, at) {
  const run = chart.runs[at];
  const found = [line("time", timeOf(chart, at)), line("", runOf(run))];
  if (runs.undated.includes(run)) found.push(line("doubtful", "! Its clock was wrong: this is when it was added."));
  if (chart.outliers.includes(at)) found.push(line("", "Outlier: it belongs to no level."));
  for (const [place, words] of chart.marks) if (place === at) found.push(line("changed", words));
  const list = document.createElement("dl");
  for (const { name, text, before } of conditionsOf(chart, at)) {
    const value = line(before === null ? "" : "changed", before === null ? text : `${text} (before: ${before})`, "dd");
    list.append(line("", name, "dt"), value);
  }
  return [...found, list];
}

/** Texts only: whatever a record holds is no markup. */
function line(look, words, tag = "p") {
  const found = document.createElement(tag);
  found.className = look;
  found.textContent = words;
  return found;
}

function timeOf({ unit, values, low, high, processes }, at) {
  const count = processes.length === 1 ? processes[0] : processes[at];
  const ends = low[at] === null ? "" : ` (${digits.format(low[at])} to ${digits.format(high[at])})`;
  return `${digits.format(values[at])} ${unit}${ends}, ${count} ${count === 1 ? "process" : "processes"}`;
}

function runOf(run) {
  return [`${runs.at[run]} UTC`, `@${runs.names[run]}`, runs.labels[runs.label[run]]].filter(Boolean).join(" · ");
}

function sentence(chart, at) {
  return `${runOf(chart.runs[at])}: ${timeOf(chart, at)}`;
}

/** Those that one always wants to know, and whatever differs from the run before. */
function conditionsOf(chart, at) {
  const textOf = ({ name, texts, of }, run) => {
    const text = texts[of[runs.set[run]]] ?? "none";
    return name === "commit" ? text.slice(0, COMMIT_DIGITS) : text;
  };
  const found = runs.conditions.map((condition) => {
    const text = textOf(condition, chart.runs[at]);
    const earlier = at ? textOf(condition, chart.runs[at - 1]) : text;
    return { name: condition.name, text, before: earlier === text ? null : earlier };
  });
  const rank = ({ name, before }) => (before === null ? 1 + ALWAYS.indexOf(name) : 0);
  return found
    .filter(({ name, text, before }) => before !== null || (ALWAYS.includes(name) && text !== "none"))
    .sort((one, other) => rank(one) - rank(other));
}
