// The open scan on the screen: its planes with their sliders, drawn again once a frame at most.

import { css } from "./display.js";
import { Editor } from "./editor.js";
import { element } from "./notice.js";
import { Plane } from "./plane.js";
import { Pointer } from "./pointer.js";

const THUMB_PX = 14; // as in style.css: a slider's first value lies half a thumb from its end
const STEP_ZOOM = 1.25;

/** Planes of a reading within `root`. Event "drawn" after each frame. */
export class Viewer extends EventTarget {
  #asked = 0;
  #end = new AbortController();

  constructor(root, reading, display) {
    super();
    Object.assign(this, { root, reading, display, editor: new Editor(reading, display) });
    root.classList.toggle("flat", reading.view.flat);
    const again = () => this.again();
    this.parts = reading.names.map((name) => this.#part(name));
    root.replaceChildren(...this.parts.map(({ figure }) => figure));
    this.sizes = new ResizeObserver(again);
    for (const { plane } of this.parts) this.sizes.observe(plane.canvas);
    for (const source of [reading, display]) source.addEventListener("change", again, this.#end);
    again();
  }

  close() {
    this.#end.abort();
    this.sizes.disconnect();
    cancelAnimationFrame(this.#asked);
    this.root.replaceChildren();
  }

  again() {
    this.#asked ||= requestAnimationFrame(() => {
      this.#asked = 0;
      for (const part of this.parts) this.#draw(part);
      this.dispatchEvent(new Event("drawn"));
    });
  }

  /** The plane that keys mean: the one touched last. */
  get active() {
    return this.parts.find(({ name }) => name === this.reading.active).plane;
  }

  activate(name) {
    if (this.reading.active === name) return;
    this.reading.active = name;
    this.again();
  }

  /** Another plane for the keys, to the right (1) or to the left (-1). */
  activateNext(by) {
    const { names, active } = this.reading;
    const next = names[(names.indexOf(active) + by + names.length) % names.length];
    this.activate(next);
    this.active.canvas.focus({ preventScroll: true });
  }

  zoom(steps) {
    this.active.zoomBy(STEP_ZOOM ** steps);
  }

  fit() {
    for (const { plane } of this.parts) plane.fit();
  }

  #part(name) {
    const { reading, display } = this;
    const canvas = element("canvas", { tabIndex: 0 });
    canvas.dataset.plane = name;
    canvas.setAttribute("role", "img");
    const box = element("div", { className: "picture" }, canvas);
    if (reading.view.oriented) box.append(...this.#letters(name));
    const title = name[0].toUpperCase() + name.slice(1);
    if (!reading.view.flat) box.append(element("span", { className: "title", textContent: title }));
    const figure = element("figure", { className: name }, box);
    const part = { name, figure, plane: new Plane(canvas, reading, name, display, () => this.again()) };
    new Pointer(part.plane, this.editor, () => this.activate(name));
    canvas.addEventListener("focus", () => this.activate(name));
    const { cut } = part.plane;
    if (cut.depth > 1 && !reading.view.flat) Object.assign(part, this.#slider(name, cut, figure));
    return part;
  }

  /** Where the patient's front, left, back and right are. Only of scans that know how they lie. */
  #letters(name) {
    const sides = ["top", "right", "bottom", "left"];
    return this.reading.cuts[name].letters.map((textContent, n) => {
      const made = element("span", { className: `letter ${sides[n]}`, textContent });
      made.setAttribute("aria-hidden", "true");
      return made;
    });
  }

  #slider(name, cut, figure) {
    const input = element("input", { type: "range", min: 0, max: cut.depth - 1 });
    input.dataset.slider = name;
    input.setAttribute("aria-label", `Slice, ${name}`);
    const marks = element("canvas", { className: "marks" });
    marks.setAttribute("aria-hidden", "true");
    const number = element("span", { className: "number" });
    number.setAttribute("aria-hidden", "true"); // the slider says it
    input.addEventListener("input", () => {
      this.activate(name);
      this.reading.goTo(name, Number(input.value));
    });
    const row = element("div", { className: "slices" }, element("div", {}, marks, input), number);
    for (const [textContent, step, label] of [["‹", -1, "Previous"], ["›", 1, "Next"]]) {
      const button = element("button", { type: "button", textContent, title: `${label} slice with mask` });
      button.setAttribute("aria-label", `${label} ${name} slice with mask`);
      button.dataset.marked = step;
      button.addEventListener("click", () => this.activate(name));
      row.append(button);
    }
    figure.append(row);
    return { input, marks, number };
  }

  #draw({ name, figure, plane, input, marks, number }) {
    const { reading } = this;
    figure.classList.toggle("active", reading.active === name && reading.names.length > 1);
    plane.canvas.dataset.tool = this.display.tool ?? "";
    plane.draw();
    if (!input) return;
    const slice = reading.slice(name);
    input.value = slice;
    input.setAttribute("aria-valuetext", `${slice + 1} of ${plane.cut.depth}`);
    number.textContent = `${slice + 1} / ${plane.cut.depth}`;
    this.#drawMarks(marks, reading.labels.marks[plane.cut.through]);
  }

  /** Where along the slider the mask is. */
  #drawMarks(marks, counts) {
    const ratio = devicePixelRatio || 1;
    const [width, height] = [marks.clientWidth * ratio, marks.clientHeight * ratio].map(Math.round);
    const key = [width, height, this.reading.labels.version, this.display.isOn].join();
    if (marks.dataset.key === key) return;
    marks.dataset.key = key;
    Object.assign(marks, { width, height });
    if (!this.display.isOn) return;
    const context = marks.getContext("2d");
    context.fillStyle = css(1);
    const way = width - THUMB_PX * ratio;
    const each = way / Math.max(1, counts.length - 1);
    counts.forEach((count, n) => {
      const middle = (THUMB_PX * ratio) / 2 + n * each;
      if (count) context.fillRect(middle - Math.max(1, each / 2), 0, Math.max(2, each), height);
    });
  }
}
