// The scans that the server has, asked for again while one of them is not done.

import { ask, json, server } from "./api.js";

const AGAIN_MS = 700;

/** Event "change" when something about a scan is new. */
export class Scans extends EventTarget {
  all = [];
  #timer = 0;
  #last = "";

  constructor() {
    super();
    server.addEventListener("back", () => this.refresh());
    document.addEventListener("visibilitychange", () => document.hidden || this.refresh());
  }

  get(id) {
    return this.all.find((scan) => scan.id === id);
  }

  /** How many are not done yet. */
  get pending() {
    return this.all.filter(({ status }) => status === "queued" || status === "running").length;
  }

  async refresh() {
    clearTimeout(this.#timer);
    try {
      this.#take(await json("api/scans"));
    } catch (refusal) {
      if (refusal.status) throw refusal;
      return; // the server's return asks again
    }
    clearTimeout(this.#timer);
    if (this.pending) this.#timer = setTimeout(() => this.refresh(), AGAIN_MS);
  }

  /** Scans that the server has just taken in: of them it says no more than id and name. */
  add(taken) {
    const rest = { status: "queued", error: null, row: null, verdict: null, view: null, formats: [] };
    const fresh = taken.filter(({ id }) => !this.get(id)).map(({ id, name }) => ({ id, name, ...rest }));
    this.#take([...this.all, ...fresh]);
    return this.refresh();
  }

  /** A scan as the server answered it just now. */
  replace(scan) {
    this.#take(this.all.map((old) => (old.id === scan.id ? scan : old)));
  }

  async remove(scan) {
    await ask(`api/scans/${scan.id}`, { method: "DELETE" });
    this.#take(this.all.filter(({ id }) => id !== scan.id));
  }

  #take(all) {
    const text = JSON.stringify(all);
    if (text === this.#last) return;
    this.#last = text;
    this.all = all;
    this.dispatchEvent(new Event("change"));
  }
}
