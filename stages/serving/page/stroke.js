// One correction while it is made: voxels that change, with what they were.

/** Hidden classes are never touched. visible: for each class, whether it is drawn. */
export class Stroke {
  #before = new Map();

  constructor(labels, visible) {
    this.labels = labels;
    this.visible = visible;
  }

  set(at, label) {
    const before = this.labels.data[at];
    if (before === label || (before && !this.visible[before])) return;
    if (!this.#before.has(at)) this.#before.set(at, before);
    this.labels.set(at, label);
  }

  /** A disc around the pixel coordinates (x, y), `size` pixels of the finer side across, round in mm. */
  disc(cut, slice, { x, y }, size, label) {
    const fine = Math.min(cut.mmAcross, cut.mmDown);
    const radius = (size * fine) / 2;
    const [right, below] = [radius / cut.mmAcross, radius / cut.mmDown];
    for (let row = Math.floor(y - below); row <= y + below; row++) {
      for (let column = Math.floor(x - right); column <= x + right; column++) {
        const mm = Math.hypot((column + 0.5 - x) * cut.mmAcross, (row + 0.5 - y) * cut.mmDown);
        if (mm <= radius && cut.contains(column, row)) this.set(cut.at(column, row, slice), label);
      }
    }
    const [column, row] = [Math.floor(x), Math.floor(y)];
    if (cut.contains(column, row)) this.set(cut.at(column, row, slice), label);
  }

  /** Discs from one point to another, close enough to leave no gap. */
  line(cut, slice, [from, to], size, label) {
    const steps = Math.max(1, Math.ceil(2 * Math.hypot(to.x - from.x, to.y - from.y)));
    for (let n = 0; n <= steps; n++) {
      const share = n / steps;
      const point = { x: from.x + share * (to.x - from.x), y: from.y + share * (to.y - from.y) };
      this.disc(cut, slice, point, size, label);
    }
  }

  /** The correction for the history, null where nothing changed. */
  end() {
    const places = [...this.#before].filter(([at, before]) => this.labels.data[at] !== before);
    if (!places.length) return null;
    return {
      at: Uint32Array.from(places, ([at]) => at),
      before: Uint8Array.from(places, ([, before]) => before),
      after: Uint8Array.from(places, ([at]) => this.labels.data[at]),
    };
  }

  /** Everything as it was: a second finger makes a pinch of what began as a stroke. */
  undo() {
    for (const [at, before] of this.#before) this.labels.set(at, before);
  }
}
