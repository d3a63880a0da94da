// Corrections that can be undone and redone: what changed of the labels, in bounded memory.

const MOST_BYTES = 48 << 20;
const BYTES_A_VOXEL = 6;

/** A correction is {at: Uint32Array, before: Uint8Array, after: Uint8Array}, a place for each voxel. */
export class History {
  #done = [];
  #undone = [];
  #bytes = 0;
  #forgotten = 0;
  #saved = 0;

  get canUndo() {
    return this.#done.length > 0;
  }

  get canRedo() {
    return this.#undone.length > 0;
  }

  /** How many corrections lie behind the labels as they are. */
  get position() {
    return this.#forgotten + this.#done.length;
  }

  get isSaved() {
    return this.position === this.#saved;
  }

  /** position: that of the labels that were saved, which may have changed since. */
  save(position) {
    this.#saved = position;
  }

  add(correction) {
    if (this.#saved > this.position) this.#saved = -1; // what was saved cannot be come back to
    for (const { at } of this.#undone.splice(0)) this.#bytes -= BYTES_A_VOXEL * at.length;
    this.#done.push(correction);
    this.#bytes += BYTES_A_VOXEL * correction.at.length;
    while (this.#bytes > MOST_BYTES && this.#done.length > 1) {
      this.#bytes -= BYTES_A_VOXEL * this.#done.shift().at.length;
      this.#forgotten++;
    }
  }

  undo(labels) {
    const correction = this.#done.pop();
    if (!correction) return;
    this.#undone.push(correction);
    correction.at.forEach((at, n) => labels.set(at, correction.before[n]));
  }

  redo(labels) {
    const correction = this.#undone.pop();
    if (!correction) return;
    this.#done.push(correction);
    correction.at.forEach((at, n) => labels.set(at, correction.after[n]));
  }
}
