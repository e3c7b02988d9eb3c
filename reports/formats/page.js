"use strict";

// A heading of a table sorts its rows: up, down, and then as they came. Without this script it is a heading.
const FIGURE = /^[<>]?\s*([-+\u2212]?)([\d,]*\.?\d+(?:e[-+]?\d+)?)/i;

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
    });
  });
}

/** Marks how the table is sorted now: 1 upwards, -1 downwards, 0 not at all. */
function turn(head) {
  const before = head.getAttribute("aria-sort");
  for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
  if (before === "descending") return 0;
  head.setAttribute("aria-sort", before ? "descending" : "ascending");
  return before ? -1 : 1;
}

/** Figures by their number and before words; empty cells last, whatever the direction. */
function sorted(rows, column, direction) {
  const keyed = rows.map((row) => ({ row, ...key(row.cells[column].textContent.trim()) }));
  keyed.sort((one, other) => {
    if (!one.text || !other.text) return !one.text - !other.text;
    if (one.number !== null && other.number !== null) return direction * (one.number - other.number);
    if (one.number !== null || other.number !== null) return direction * (one.number === null ? 1 : -1);
    return direction * one.text.localeCompare(other.text, "en", { numeric: true });
  });
  return keyed.map(({ row }) => row);
}

/** `12.3 ±1.2%` and `1,234` and `5.70x (5.5 to 5.9)` are figures: what they begin with counts. */
function key(text) {
  const found = FIGURE.exec(text);
  const number = found && Number(found[2].replaceAll(",", "")) * (/[-\u2212]/.test(found[1]) ? -1 : 1);
  return { text, number };
}
