"use strict";

// Tables: a click on a column's head sorts by it, another click turns the order round.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const order = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", order);
      sort(table.tBodies[0], column, order === "ascending" ? 1 : -1);
    });
  });
}

function sort(body, column, sign) {
  const rows = [...body.rows].map((row) => {
    const text = row.cells[column].textContent.trim();
    return { row, text, number: text === "" ? NaN : Number(text) };
  });
  const numbers = rows.every(({ text, number }) => text === "–" || !Number.isNaN(number));
  rows.sort((a, b) => {
    if (!numbers) return sign * a.text.localeCompare(b.text, "en", { numeric: true });
    // What has no number stands last in both orders.
    if (Number.isNaN(a.number) || Number.isNaN(b.number)) return Number.isNaN(a.number) - Number.isNaN(b.number);
    return sign * (a.number - b.number);
  });
  body.append(...rows.map(({ row }) => row));
}

// Films: the slider moves through the slices, with the keyboard too; so does a finger or the mouse on the picture.
for (const film of document.querySelectorAll(".film")) {
  const slider = film.querySelector("input");
  const output = film.querySelector("output");
  const panes = film.querySelector(".panes");
  const frames = JSON.parse(film.dataset.frames);
  const show = () => {
    const told = frames[slider.valueAsNumber];
    film.style.setProperty("--at", slider.value);
    output.textContent = told;
    slider.setAttribute("aria-valuetext", told);
  };
  slider.addEventListener("input", show);
  let start = null;
  panes.addEventListener("pointerdown", (event) => {
    start = { x: event.clientX, at: slider.valueAsNumber };
    panes.setPointerCapture(event.pointerId);
  });
  panes.addEventListener("pointermove", (event) => {
    if (start === null) return;
    const moved = (event.clientX - start.x) / panes.clientWidth;
    slider.value = start.at + Math.round(moved * frames.length);
    show();
  });
  for (const end of ["pointerup", "pointercancel"]) panes.addEventListener(end, () => (start = null));
  show();
}
