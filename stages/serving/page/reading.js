// A scan that is open: where one looks at it, how bright, its labels, and what was corrected.

import { ask } from "./api.js";
import { Cut, NAMES } from "./geometry.js";
import { History } from "./history.js";
import { Labels } from "./labels.js";
import { Planes } from "./planes.js";

const ASSUMED_MM = [1, 1, 1];
const LEVELS = 65536;

/** Event "change" when anything that is drawn is another. */
export class Reading extends EventTarget {
  isBusy = false;
  active = "axial";
  history = new History();
  #grey = { key: "", table: new Uint32Array(LEVELS) };

  /** labels: bytes, slices x rows x columns. */
  constructor(scan, labels) {
    super();
    this.scan = scan;
    this.view = scan.view;
    const { slices, rows, columns, spacing_mm: mm, sequences, windows, flat } = scan.view;
    const shape = [slices, rows, columns];
    this.mm = mm ?? ASSUMED_MM;
    this.names = flat ? NAMES.slice(0, 1) : NAMES;
    this.cuts = Object.fromEntries(NAMES.map((name) => [name, new Cut(name, shape, this.mm)]));
    this.labels = new Labels(labels, shape);
    this.cursor = this.labels.centre();
    this.planes = new Planes(scan.id);
    this.windows = windows.map((window) => [...window]);
    const flair = sequences.indexOf("flair");
    this.sequence = flair < 0 ? sequences.length >> 1 : flair;
  }

  static async open(scan) {
    const answer = await ask(`api/scans/${scan.id}/labels`, { cache: "no-cache" });
    return new Reading(scan, new Uint8Array(await answer.arrayBuffer()));
  }

  changed() {
    this.dispatchEvent(new Event("change"));
  }

  get isUnsaved() {
    return !this.history.isSaved;
  }

  /** Number of the slice of a plane that the crosshair lies in. */
  slice(name) {
    return this.cursor[this.cuts[name].through];
  }

  moveTo(voxel) {
    const { slices, rows, columns } = this.view;
    const last = [slices - 1, rows - 1, columns - 1];
    this.cursor = voxel.map((place, axis) => Math.min(last[axis], Math.max(0, Math.round(place))));
    this.changed();
  }

  goTo(name, slice) {
    const voxel = [...this.cursor];
    voxel[this.cuts[name].through] = slice;
    this.moveTo(voxel);
  }

  step(name, by) {
    this.goTo(name, this.slice(name) + by);
  }

  /** The next slice of a plane with mask, in the direction 1 or -1. Whether there is one. */
  stepMarked(name, step) {
    const next = this.labels.nextMarked(this.cuts[name].through, this.slice(name), step);
    if (next !== null) this.goTo(name, next);
    return next !== null;
  }

  choose(sequence) {
    if (sequence < 0 || sequence >= this.view.sequences.length) return;
    this.sequence = sequence;
    this.changed();
  }

  /** Range of the values of the sequence that is drawn. */
  get range() {
    return this.view.ranges[this.sequence];
  }

  /** [level, width] of the window, in the sequence's values. */
  get window() {
    const [low, high] = this.windows[this.sequence];
    return [(low + high) / 2, high - low];
  }

  setWindow(level, width) {
    const [lowest, highest] = this.range;
    const all = highest - lowest || 1;
    const across = Math.min(all, Math.max(all / 1000, width));
    const middle = Math.min(highest, Math.max(lowest, level));
    this.windows[this.sequence] = [middle - across / 2, middle + across / 2];
    this.changed();
  }

  resetWindow() {
    this.windows[this.sequence] = [...this.view.windows[this.sequence]];
    this.changed();
  }

  /** For each stored level the pixel (ABGR, as little-endian memory has it) in the window. */
  get greys() {
    const [low, high] = this.windows[this.sequence];
    const [lowest, highest] = this.range;
    const key = [low, high, lowest, highest].join();
    if (this.#grey.key === key) return this.#grey;
    const { table } = this.#grey;
    const a_level = (highest - lowest) / (LEVELS - 1);
    const scale = 255 / Math.max(high - low, Number.EPSILON);
    for (let n = 0; n < LEVELS; n++) {
      const grey = Math.min(255, Math.max(0, Math.round((lowest + n * a_level - low) * scale)));
      table[n] = 0xff000000 | (grey * 0x010101);
    }
    this.#grey = { key, table };
    return this.#grey;
  }

  /** The corrected class volumes lie on the server now; scan is its answer. */
  saved(scan, position) {
    this.scan = scan;
    this.history.save(position);
    this.changed();
  }
}
