"use strict";
// Makes the headings sort the rows; "#sort=psnr" or "#sort=-psnr" in the address does it at once.
const table = document.querySelector("table");
const body = table.tBodies[0];
const headings = [...table.tHead.rows[0].cells].filter((cell) => cell.dataset.key);

function value(row, column) {
  return row.cells[column].dataset.value ?? "";
}

function sort(heading, descending) {
  const column = heading.cellIndex;
  const numeric = heading.dataset.type === "number";
  const rows = [...body.rows];
  rows.sort((a, b) => {
    const [left, right] = [value(a, column), value(b, column)];
    // Rows without a value stay last in either direction.
    if (left === "" || right === "") return (left === "") - (right === "");
    const order = numeric ? left - right : left.localeCompare(right, undefined, { numeric: true });
    return descending ? -order : order;
  });
  body.append(...rows);
  for (const other of headings) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
}

for (const heading of headings) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = heading.textContent;
  button.addEventListener("click", () => sort(heading, heading.getAttribute("aria-sort") === "ascending"));
  heading.replaceChildren(button);
}

function sortByAddress() {
  const [, minus, key] = location.hash.match(/^#sort=(-?)(\w+)$/) ?? [];
  const heading = headings.find((each) => each.dataset.key === key);
  if (heading) sort(heading, minus === "-");
}
addEventListener("hashchange", sortByAddress);
sortByAddress();
