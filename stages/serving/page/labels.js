// The classes of a scan's voxels, with their numbers kept up to date while they are corrected.

/** data: uint8, slices x rows x columns in C order. version grows with each change. */
export class Labels {
  constructor(data, shape) {
    this.data = data;
    this.shape = shape;
    this.version = 0;
    this.counts = new Float64Array(256);
    /** Labelled voxels of each slice, of each row and of each column. */
    this.marks = shape.map((length) => new Uint32Array(length));
    const [slices, rows, columns] = shape;
    for (let slice = 0, at = 0; slice < slices; slice++) {
      for (let row = 0; row < rows; row++) {
        for (let column = 0; column < columns; column++, at++) {
          const label = data[at];
          if (label) this.#count(label, slice, row, column, 1);
        }
      }
    }
    this.counts[0] = data.length - this.total;
  }

  /** Voxels of any class. */
  get total() {
    return this.counts.reduce((sum, count, label) => sum + (label ? count : 0), 0);
  }

  set(at, label) {
    const before = this.data[at];
    if (before === label) return;
    const [, rows, columns] = this.shape;
    const column = at % columns;
    const row = Math.floor(at / columns) % rows;
    const slice = Math.floor(at / (rows * columns));
    if (before) this.#count(before, slice, row, column, -1);
    if (label) this.#count(label, slice, row, column, 1);
    this.data[at] = label;
    this.version++;
  }

  #count(label, slice, row, column, by) {
    this.counts[label] += by;
    this.marks[0][slice] += by;
    this.marks[1][row] += by;
    this.marks[2][column] += by;
  }

  /** Voxels of these classes. */
  voxels(classes) {
    return classes.reduce((sum, label) => sum + this.counts[label], 0);
  }

  /** Where to look first (slice, row, column): the slice with most mask, in the middle of what is there. */
  centre() {
    const [slices, rows, columns] = this.shape;
    const slice = this.marks[0].reduce((best, count, n, all) => (count > all[best] ? n : best), 0);
    const sum = [0, 0];
    for (let at = slice * rows * columns, n = 0; n < rows * columns; n++) {
      if (!this.data[at + n]) continue;
      sum[0] += Math.floor(n / columns);
      sum[1] += n % columns;
    }
    const count = this.marks[0][slice];
    if (!count) return [slices >> 1, rows >> 1, columns >> 1];
    return [slice, Math.round(sum[0] / count), Math.round(sum[1] / count)];
  }

  /** The next slice with mask along an axis, in the direction `step` (1 or -1); null where there is none. */
  nextMarked(axis, from, step) {
    const marks = this.marks[axis];
    for (let n = from + step; n >= 0 && n < marks.length; n += step) if (marks[n]) return n;
    return null;
  }
}
