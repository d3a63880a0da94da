// Planes of a scan as the server sends them, the latest kept in bounded memory.

import { ask } from "./api.js";

const MOST_BYTES = 64 << 20;

/** Planes of one scan: uint16, row by row, 0 and 65535 stand for the ends of the sequence's range. */
export class Planes {
  #kept = new Map();
  #bytes = 0;

  constructor(id) {
    this.id = id;
  }

  #key(sequence, name, slice) {
    return `${name}/${slice}?sequence=${sequence}`;
  }

  /** A plane that is here already, or null. */
  kept(sequence, name, slice) {
    const key = this.#key(sequence, name, slice);
    const plane = this.#kept.get(key) ?? null;
    if (plane) {
      this.#kept.delete(key); // the one used last stands last
      this.#kept.set(key, plane);
    }
    return plane;
  }

  async fetch(sequence, name, slice) {
    const key = this.#key(sequence, name, slice);
    const answer = await ask(`api/scans/${this.id}/planes/${key}`);
    const plane = new Uint16Array(await answer.arrayBuffer());
    if (!this.#kept.has(key)) this.#bytes += plane.byteLength;
    this.#kept.set(key, plane);
    for (const [old, { byteLength }] of this.#kept) {
      if (this.#bytes <= MOST_BYTES || old === key) break;
      this.#kept.delete(old);
      this.#bytes -= byteLength;
    }
    return plane;
  }
}
