// The tools of correction on an open scan: brush, eraser, fill, delete a component; undo and redo.

import { closedArea, component } from "./area.js";
import { say } from "./notice.js";
import { Stroke } from "./stroke.js";

/** Corrections of one reading. The plane's coordinates that it is given are pixels, fractions too. */
export class Editor {
  #stroke = null;
  #last = null;

  constructor(reading, display) {
    Object.assign(this, { reading, display });
  }

  begin(plane, point) {
    const { reading, display } = this;
    if (reading.isBusy) return;
    if (display.tool !== "delete" && display.tool !== "eraser") display.reveal(display.label);
    if (display.tool === "fill") return this.#fill(plane, point);
    if (display.tool === "delete") return this.#delete(plane, point);
    this.#stroke = new Stroke(reading.labels, display.visible);
    this.#last = point;
    this.move(plane, point);
  }

  move(plane, point) {
    if (!this.#stroke) return;
    const { tool, size, label } = this.display;
    const slice = this.reading.slice(plane.name);
    this.#stroke.line(plane.cut, slice, [this.#last, point], size, tool === "eraser" ? 0 : label);
    this.#last = point;
    this.reading.changed();
  }

  end() {
    const correction = this.#stroke?.end();
    this.#stroke = null;
    if (correction) this.reading.history.add(correction);
    this.reading.changed();
  }

  cancel() {
    this.#stroke?.undo();
    this.#stroke = null;
    this.reading.changed();
  }

  undo() {
    if (this.#stroke || this.reading.isBusy) return;
    this.reading.history.undo(this.reading.labels);
    this.reading.changed();
  }

  redo() {
    if (this.#stroke || this.reading.isBusy) return;
    this.reading.history.redo(this.reading.labels);
    this.reading.changed();
  }

  #fill(plane, { x, y }) {
    const [column, row] = [Math.floor(x), Math.floor(y)];
    if (!plane.cut.contains(column, row)) return;
    const slice = this.reading.slice(plane.name);
    const area = closedArea(plane.cut, this.reading.labels, { x: column, y: row }, slice);
    if (area) this.#write(area, this.display.label);
    else say("This area is not closed: it reaches the edge of the picture. Nothing was filled.", true);
  }

  async #delete(plane, { x, y }) {
    const [column, row] = [Math.floor(x), Math.floor(y)];
    if (!plane.cut.contains(column, row)) return;
    const { reading, display } = this;
    reading.isBusy = true;
    reading.changed();
    const start = plane.cut.at(column, row, reading.slice(plane.name));
    const voxels = await component(reading.labels, start, display.visible);
    reading.isBusy = false;
    if (voxels.length) say(`Deleted ${voxels.length.toLocaleString("en")} connected voxels.`, true);
    else say("There is no mask here that could be deleted.", true);
    this.#write(voxels, 0);
  }

  #write(voxels, label) {
    const stroke = new Stroke(this.reading.labels, this.display.visible);
    for (const at of voxels) stroke.set(at, label);
    this.#stroke = stroke;
    this.end();
  }
}
