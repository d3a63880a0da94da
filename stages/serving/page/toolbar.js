// Bars above the planes: sequence, window and zoom; tools of correction, undo and redo.

import { element } from "./notice.js";

const $ = (id) => document.getElementById(id);

/** Bars for whatever viewer is open; `open()` gives it, or null. */
export class Toolbar {
  constructor(display, open) {
    Object.assign(this, { display, open });
    const on = (id, name, act) => $(id).addEventListener(name, () => open() && act(open(), $(id)));
    const window = ({ reading }) => reading.setWindow(Number($("level").value), Number($("width").value));
    on("level", "input", window);
    on("width", "input", window);
    on("auto", "click", ({ reading }) => reading.resetWindow());
    on("zoom-in", "click", (viewer) => viewer.zoom(2));
    on("zoom-out", "click", (viewer) => viewer.zoom(-2));
    on("fit", "click", (viewer) => viewer.fit());
    on("undo", "click", ({ editor }) => editor.undo());
    on("redo", "click", ({ editor }) => editor.redo());
    on("size", "input", (_, { value }) => display.change({ size: Number(value) }));
    on("class", "change", (_, { value }) => display.change({ label: Number(value) }));
    for (const button of this.tools) {
      const { tool } = button.dataset;
      button.addEventListener("click", () => display.change({ tool: display.tool === tool ? null : tool }));
    }
    const classes = Object.entries(display.classes);
    const options = classes.map(([value, textContent]) => element("option", { value, textContent }));
    $("class").replaceChildren(...options);
    $("class-line").hidden = classes.length < 2;
  }

  get tools() {
    return document.querySelectorAll("[data-tool]:is(button)");
  }

  /** Sequences of the scan that was just opened. */
  build({ reading }) {
    const { sequences } = reading.view;
    const buttons = sequences.map((textContent, n) => {
      const button = element("button", { type: "button", textContent });
      button.dataset.sequence = n;
      button.addEventListener("click", () => reading.choose(n));
      return button;
    });
    $("sequences").replaceChildren(...buttons);
    $("sequences").hidden = sequences.length < 2;
  }

  draw({ reading }) {
    const { display } = this;
    for (const button of $("sequences").children) {
      button.setAttribute("aria-pressed", String(Number(button.dataset.sequence) === reading.sequence));
    }
    const [lowest, highest] = reading.range;
    const [level, width] = reading.window;
    this.#slide("level", lowest, highest, level);
    this.#slide("width", 0, highest - lowest, width);
    for (const button of this.tools) {
      button.setAttribute("aria-pressed", String(button.dataset.tool === display.tool));
      button.disabled = reading.isBusy;
    }
    $("size").value = display.size;
    $("size-value").textContent = display.size;
    $("class").value = display.label;
    $("undo").disabled = !reading.history.canUndo || reading.isBusy;
    $("redo").disabled = !reading.history.canRedo || reading.isBusy;
  }

  #slide(id, min, max, value) {
    const input = $(id);
    if (Number(input.min) !== min || Number(input.max) !== max) Object.assign(input, { min, max });
    input.value = value;
    $(`${id}-value`).textContent = Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3));
  }
}
