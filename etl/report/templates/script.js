// Sorting, filtering and searching; without it everything is there to read.
"use strict";
for (const table of document.querySelectorAll("table[data-sorts]")) {
  const value = (row, column) => {
    const cell = row.cells[column];
    const text = cell.dataset.value ?? cell.textContent.trim();
    const number = Number(text.replaceAll(",", "").replace("–", "-1"));
    return Number.isNaN(number) ? text.toLowerCase() : number;
  };
  for (const [column, head] of [...table.tHead.rows[0].cells].entries()) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const body = table.tBodies[0];
      const order = (a, b) => (a < b ? -1 : a > b ? 1 : 0) * (up ? 1 : -1);
      body.append(...[...body.rows].sort((a, b) => order(value(a, column), value(b, column))));
    });
  }
}
const box = (label, before, look) => {
  const input = document.createElement("input");
  input.type = "search";
  input.placeholder = label;
  input.setAttribute("aria-label", label);
  input.addEventListener("input", () => look(input.value.trim().toLowerCase()));
  before.before(input);
};
for (const table of document.querySelectorAll("table[data-filters]")) {
  box(table.dataset.filters, table, (text) => {
    for (const row of table.tBodies[0].rows) row.hidden = !row.textContent.toLowerCase().includes(text);
  });
}
for (const trees of document.querySelectorAll("[data-searches]")) {
  box(trees.dataset.searches, trees, (text) => {
    for (const tree of trees.children) {
      const is = (node) => text !== "" && node.textContent.toLowerCase().includes(text);
      tree.hidden = text !== "" && !is(tree);
      tree.open = is(tree);
      for (const node of tree.querySelectorAll("li")) {
        const own = node.querySelector("span");
        node.classList.toggle("found", text !== "" && own.textContent.toLowerCase().includes(text));
        const inner = node.querySelector(":scope > details");
        if (inner) inner.open = is(inner.querySelector("ul"));
      }
    }
  });
}
