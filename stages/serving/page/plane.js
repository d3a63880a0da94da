// A plane on the screen: a slice of the scan, its mask, the crosshair, and how far one has zoomed in.

import { colour, css } from "./display.js";
import { outlines } from "./outline.js";

const MOST_ZOOM = 32;
const EDGY_FROM = 10; // screen pixels a voxel, from where on voxels are drawn as squares
const AGAIN_MS = 1000;
const CROSS = "rgb(255 255 255 / 0.55)";
const GAP = 9;

/** Draws one plane of a reading on a canvas. again: asks for another draw, when a slice has come. */
export class Plane {
  zoom = 1;
  pan = [0, 0];
  pointer = null; // where the mouse is, in CSS pixels of the canvas
  #frame = null; // {key, slice, sequence, levels}
  #isFetching = false;
  #refused = ""; // key of a slice that the server does not give: the list says why
  #grey = { key: "" };
  #mask = { key: "" };

  constructor(canvas, reading, name, display, again) {
    Object.assign(this, { canvas, reading, name, display, again, cut: reading.cuts[name] });
    const layer = () => Object.assign(document.createElement("canvas"), this.#size());
    this.#grey.layer = layer();
    this.#mask.layer = layer();
    this.labels = new Uint8Array(this.cut.width * this.cut.height);
  }

  #size() {
    return { width: this.cut.width, height: this.cut.height };
  }

  /** Screen pixels (CSS) for each pixel across and down, and where the top left of the slice is. */
  get transform() {
    const { width, height, mmAcross, mmDown } = this.cut;
    const { clientWidth, clientHeight } = this.canvas;
    const fit = Math.min(clientWidth / (width * mmAcross), clientHeight / (height * mmDown));
    const [across, down] = [fit * this.zoom * mmAcross, fit * this.zoom * mmDown];
    const left = (clientWidth - width * across) / 2 + this.pan[0];
    const top = (clientHeight - height * down) / 2 + this.pan[1];
    return { across, down, left, top };
  }

  /** Pixel coordinates, fractions too, of a place on the canvas (CSS pixels). */
  pixel([x, y]) {
    const { across, down, left, top } = this.transform;
    return { x: (x - left) / across, y: (y - top) / down };
  }

  /** Zoom by a factor; what lies under `place` stays there. */
  zoomBy(factor, place = [this.canvas.clientWidth / 2, this.canvas.clientHeight / 2]) {
    const before = this.pixel(place);
    this.zoom = Math.min(MOST_ZOOM, Math.max(1, this.zoom * factor));
    const { across, down, left, top } = this.transform;
    this.panBy(place[0] - (left + before.x * across), place[1] - (top + before.y * down));
  }

  /** Move the slice by CSS pixels, as far as some of it stays in sight. */
  panBy(right, down) {
    const { clientWidth, clientHeight } = this.canvas;
    const { across, down: downwards } = this.transform;
    const most = [this.cut.width * across - clientWidth, this.cut.height * downwards - clientHeight];
    this.pan = [this.pan[0] + right, this.pan[1] + down].map((place, n) => {
      const room = Math.max(0, most[n] / 2);
      return Math.min(room, Math.max(-room, place));
    });
    this.again();
  }

  fit() {
    this.zoom = 1;
    this.pan = [0, 0];
    this.again();
  }

  draw() {
    this.#demand();
    const { canvas } = this;
    const ratio = devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth * ratio, canvas.clientHeight * ratio].map(Math.round);
    if (!width || !height) return;
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, width, height);
    if (!this.#frame) return;
    const { across, down, left, top } = this.transform;
    const onto = new DOMMatrix([across * ratio, 0, 0, down * ratio, left * ratio, top * ratio]);
    context.setTransform(onto);
    context.imageSmoothingEnabled = Math.max(across, down) * ratio < EDGY_FROM;
    context.imageSmoothingQuality = "high";
    context.drawImage(this.#greyLayer(), 0, 0);
    this.#fillLabels();
    if (this.display.isOn) this.#drawMask(context, onto, ratio);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.#drawCross(context);
    this.#drawTool(context);
    this.#tell();
  }

  /** Ask for the slice that should be seen: one at a time, so that a fast wheel asks for few. */
  async #demand() {
    const { reading, name } = this;
    const [sequence, slice] = [reading.sequence, reading.slice(name)];
    const key = `${sequence}/${slice}`;
    if (this.#frame?.key === key) return;
    const levels = reading.planes.kept(sequence, name, slice);
    if (levels) {
      this.#frame = { key, sequence, slice, levels };
      return;
    }
    if (this.#isFetching || this.#refused === key) return;
    this.#isFetching = true;
    try {
      await reading.planes.fetch(sequence, name, slice);
    } catch (refusal) {
      if (refusal.status) this.#refused = key;
      else await new Promise((done) => setTimeout(done, AGAIN_MS)); // the banner says why
    }
    this.#isFetching = false;
    this.again();
  }

  #greyLayer() {
    const greys = this.reading.greys;
    const key = `${this.#frame.key} ${greys.key}`;
    if (this.#grey.key !== key && this.#frame.sequence === this.reading.sequence) {
      const { width, height } = this.#size();
      const image = new ImageData(width, height);
      const pixels = new Uint32Array(image.data.buffer);
      for (let y = 0, n = 0; y < height; y++) {
        const start = this.cut.row(y) * width;
        for (let x = 0; x < width; x++, n++) pixels[n] = greys.table[this.#frame.levels[start + x]];
      }
      this.#grey.layer.getContext("2d").putImageData(image, 0, 0);
      this.#grey.key = key;
    }
    return this.#grey.layer;
  }

  /** The mask's layer and its outlines, made again only when labels, slice or regions are others. */
  #fillLabels() {
    const { labels } = this.reading;
    const key = [this.#frame.slice, labels.version, this.display.visible.join("")].join();
    if (this.#mask.key === key) return;
    const { width, height } = this.#size();
    this.cut.slice(labels.data, this.#frame.slice, this.labels);
    const image = new ImageData(width, height);
    const pixels = new Uint32Array(image.data.buffer);
    this.labels.forEach((label, n) => {
      if (!label || !this.display.visible[label]) return;
      const [red, green, blue] = colour(label);
      pixels[n] = 0xff000000 | (blue << 16) | (green << 8) | red;
    });
    this.#mask.layer.getContext("2d").putImageData(image, 0, 0);
    this.#mask.paths = outlines(this.labels, width, height, this.display.visible);
    this.#mask.key = key;
  }

  #drawMask(context, onto, ratio) {
    const { isOutline, opacity } = this.display;
    if (!isOutline) {
      context.globalAlpha = opacity;
      context.imageSmoothingEnabled = false;
      context.drawImage(this.#mask.layer, 0, 0);
      context.globalAlpha = 1;
    }
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.lineWidth = (isOutline ? 1.75 : 1) * ratio;
    for (const [label, path] of this.#mask.paths) {
      const drawn = new Path2D();
      drawn.addPath(path, onto);
      context.strokeStyle = css(label);
      context.stroke(drawn);
    }
  }

  #drawCross(context) {
    if (!this.display.isCrossed || this.reading.view.flat) return;
    const { across, down, left, top } = this.transform;
    const { x, y } = this.cut.pixel(this.reading.cursor);
    const [cx, cy] = [left + (x + 0.5) * across, top + (y + 0.5) * down];
    const { clientWidth, clientHeight } = this.canvas;
    context.strokeStyle = CROSS;
    context.lineWidth = 1;
    context.beginPath();
    for (const [x1, y1, x2, y2] of [
      [0, cy, cx - GAP, cy],
      [cx + GAP, cy, clientWidth, cy],
      [cx, 0, cx, cy - GAP],
      [cx, cy + GAP, cx, clientHeight],
    ]) {
      context.moveTo(x1, y1);
      context.lineTo(x2, y2);
    }
    context.stroke();
  }

  /** The brush's rim around the mouse. */
  #drawTool(context) {
    const { tool, size, label } = this.display;
    if (!this.pointer || (tool !== "brush" && tool !== "eraser")) return;
    const { across, down } = this.transform;
    context.beginPath();
    context.arc(...this.pointer, (size * Math.min(across, down)) / 2, 0, 2 * Math.PI);
    context.lineWidth = 1.5;
    context.strokeStyle = tool === "brush" ? css(label) : "#fff";
    context.stroke();
  }

  /** What is on the canvas, for who cannot see it. */
  #tell() {
    const { slice } = this.#frame;
    const { classes, isOn, visible } = this.display;
    const inIt = isOn ? [...new Set(this.labels)].filter((label) => label && visible[label]) : [];
    const names = inIt.map((label) => classes[label] ?? `class ${label}`).join(", ");
    const [which, sequence] = [`${this.name} slice ${slice + 1} of ${this.cut.depth}`, this.#frame.sequence];
    const what = `${this.reading.view.sequences[sequence]}, ${which}, mask: ${names || "none"}`;
    if (this.canvas.getAttribute("aria-label") !== what) this.canvas.setAttribute("aria-label", what);
    this.canvas.dataset.slice = slice;
    this.canvas.dataset.sequence = sequence;
  }
}
