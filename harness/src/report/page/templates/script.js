// The page is complete without this: it filters the table of all cells, and sorts comparisons.
"use strict";
for (const filter of document.querySelectorAll(".filter")) {
  const [words, state] = [filter.querySelector("[data-filter]"), filter.querySelector("[data-state]")];
  const groups = [...document.getElementById(words.dataset.filter).tBodies].map(body => {
    const [head, ...rows] = body.rows;
    return { body, rows: rows.map(row => [row, (head.textContent + " " + row.cells[0].textContent).toLowerCase()]) };
  });
  const apply = () => {
    const wanted = words.value.toLowerCase().split(/\s+/);
    for (const { body, rows } of groups) {
      let shown = 0;
      for (const [row, text] of rows) {
        const fits = (!state.value || row.classList.contains(state.value)) && wanted.every(word => text.includes(word));
        row.hidden = !fits;
        shown += fits;
      }
      body.hidden = !shown;
    }
  };
  words.addEventListener("input", apply);
  state.addEventListener("change", apply);
  filter.hidden = false;
}
for (const table of document.querySelectorAll("[data-sort]")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    if ("noSort" in head.dataset) return;
    const button = document.createElement("button");
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const text = row => row.cells[column].textContent.trim().replace("<", "").replace("−", "-");
      const rows = [...table.tBodies[0].rows].sort((a, b) => {
        const [one, other] = [text(a), text(b)];
        const [first, second] = [parseFloat(one), parseFloat(other)];
        return (isNaN(first) || isNaN(second) ? one.localeCompare(other, "en", { numeric: true }) : first - second) * (down ? -1 : 1);
      });
      table.tBodies[0].append(...rows);
    });
  });
}
