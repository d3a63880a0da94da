// Three planes through a volume (slices, rows, columns): their size, their aspect, and where a voxel is.

/** Axes of the volume in each plane; letters at the top, right, bottom and left, as radiologists look. */
const PLANES = {
  axial: { through: 0, down: 1, across: 2, headUp: false, letters: ["A", "L", "P", "R"] },
  coronal: { through: 1, down: 0, across: 2, headUp: true, letters: ["S", "L", "I", "R"] },
  sagittal: { through: 2, down: 0, across: 1, headUp: true, letters: ["S", "P", "I", "A"] },
};
export const NAMES = Object.keys(PLANES);

/** A plane of a volume. x and y count pixels as drawn, from the top left; depth: how many slices it has. */
export class Cut {
  /** shape and mm: slices, rows, columns. */
  constructor(name, shape, mm) {
    const { through, down, across, headUp, letters } = PLANES[name];
    Object.assign(this, { name, through, down, across, headUp, letters });
    [this.depth, this.height, this.width] = [shape[through], shape[down], shape[across]];
    [this.mmDown, this.mmAcross] = [mm[down], mm[across]];
    const way = (axis) => shape.slice(axis + 1).reduce((product, length) => product * length, 1);
    [this.strideThrough, this.strideDown, this.strideAcross] = [way(through), way(down), way(across)];
  }

  /** Row as the server has it, or as drawn: slices run from the feet up, a head is drawn upright. */
  row(y) {
    return this.headUp ? this.height - 1 - y : y;
  }

  /** Position in the volume of a pixel of a slice of this plane. */
  at(x, y, slice) {
    return slice * this.strideThrough + this.row(y) * this.strideDown + x * this.strideAcross;
  }

  /** Pixel of a voxel (slice, row, column). */
  pixel(voxel) {
    return { x: voxel[this.across], y: this.row(voxel[this.down]), slice: voxel[this.through] };
  }

  /** Voxel (slice, row, column) of a pixel. */
  voxel(x, y, slice) {
    const voxel = [0, 0, 0];
    voxel[this.through] = slice;
    voxel[this.down] = this.row(y);
    voxel[this.across] = x;
    return voxel;
  }

  contains(x, y) {
    return x >= 0 && y >= 0 && x < this.width && y < this.height;
  }

  /** A slice of a volume (uint8, C order) as drawn, written to `out` (height times width). */
  slice(volume, slice, out) {
    for (let y = 0, n = 0; y < this.height; y++) {
      let at = this.at(0, y, slice);
      for (let x = 0; x < this.width; x++, at += this.strideAcross) out[n++] = volume[at];
    }
    return out;
  }
}
