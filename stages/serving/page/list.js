// The list of uploads and scans: their states, which is open, and which to look at first.

import { element, say } from "./notice.js";

/** Draws `scans` and `uploads`; open and remove: functions of a scan. */
export class List {
  #rows = new Map();
  #said = new Map();
  opened = null;

  constructor(scans, uploads, { open, remove }) {
    Object.assign(this, { scans, uploads, open, remove });
    this.root = document.getElementById("list");
    this.first = document.getElementById("doubt-first");
    this.first.addEventListener("change", () => this.draw());
    scans.addEventListener("change", () => this.draw());
    uploads.addEventListener("change", () => this.draw());
  }

  /** Scans in the order in which they stand here. */
  get order() {
    const isDoubtful = ({ row }) => Boolean(row?.low_confidence);
    if (!this.first.checked) return this.scans.all;
    return [...this.scans.all.filter(isDoubtful), ...this.scans.all.filter((scan) => !isDoubtful(scan))];
  }

  draw() {
    const doubtful = this.scans.all.filter(({ row }) => row?.low_confidence).length;
    document.getElementById("doubt-line").hidden = !doubtful || this.scans.all.length < 2;
    document.getElementById("keep-all").hidden = !this.scans.all.some(({ status }) => status === "done");
    const rows = [
      ...this.uploads.items.map((item) => this.#row(`upload ${item.id}`, () => this.#upload(item))),
      ...this.order.map((scan) => this.#row(scan.id, () => this.#scan(scan))),
    ];
    rows.forEach(({ node }, n) => {
      if (this.root.children[n] !== node) this.root.insertBefore(node, this.root.children[n] ?? null);
    });
    while (this.root.children.length > rows.length) this.root.lastChild.remove();
    for (const row of rows) row.update();
  }

  /** The row of a key, made once: what has the focus keeps it. */
  #row(key, make) {
    const made = make();
    const row = this.#rows.get(key) ?? made.build();
    this.#rows.set(key, row);
    return { node: row.node, update: () => made.update(row) };
  }

  #upload(item) {
    const build = () => {
      const bar = element("progress", { max: 1 });
      bar.setAttribute("aria-label", `Upload of ${item.name}`);
      const note = element("span", { className: "note" });
      const again = element("button", { type: "button", textContent: "Try again", className: "small" });
      again.addEventListener("click", () => this.uploads.again(item));
      const drop = cross(`Remove ${item.name}`, () => this.uploads.remove(item));
      const name = element("span", { className: "name", textContent: item.name });
      const text = element("div", { className: "open" }, name, bar, note, again);
      const node = element("li", {}, text, drop);
      node.dataset.upload = item.id;
      return { node, bar, note, again };
    };
    const update = ({ node, bar, note, again }) => {
      const states = { waiting: "waiting to be sent", sending: `sending, ${Math.round(100 * item.share)} %` };
      node.dataset.status = item.state;
      bar.hidden = item.state === "refused";
      bar.value = item.share;
      note.textContent = item.sentence || (item.share === 1 ? "being read" : states[item.state]);
      again.hidden = item.state !== "refused" || !item.mayHelp;
      this.#tell(`upload ${item.id}`, item.sentence && `${item.name}: ${item.sentence}`);
    };
    return { build, update };
  }

  #scan(scan) {
    const build = () => {
      const part = (className) => element("span", { className });
      const [name, note, badges] = [part("name"), part("note"), part("badges")];
      const open = element("button", { type: "button", className: "open" }, name, badges, note);
      open.dataset.open = "";
      open.addEventListener("click", () => this.open(this.scans.get(scan.id)));
      const drop = cross(`Remove ${scan.name}`, () => this.remove(this.scans.get(scan.id)));
      drop.dataset.remove = "";
      const node = element("li", {}, open, drop);
      node.dataset.scan = scan.id;
      return { node, name, note, badges, open };
    };
    const update = ({ node, name, note, badges, open }) => {
      node.dataset.status = scan.status;
      name.textContent = open.title = scan.name;
      note.textContent = this.#note(scan);
      const texts = [scan.row?.low_confidence && "look first", scan.verdict].filter(Boolean);
      badges.replaceChildren(...texts.map(badge));
      open.disabled = scan.status !== "done";
      open.setAttribute("aria-current", String(scan.id === this.opened));
      const ends = { done: "segmented", failed: `failed. ${scan.error}` };
      this.#tell(scan.id, ends[scan.status] && `${scan.name}: ${ends[scan.status]}`);
    };
    return { build, update };
  }

  #note({ status, error, row, view }) {
    if (status === "failed") return error ?? "This scan could not be read.";
    if (status === "queued") return "waiting";
    if (status === "running") return "being segmented";
    if (row.low_confidence) return row.why;
    if (view.flat) return row.volume_ml > 0 ? `${number(row.area_mm2)} mm²` : "nothing found";
    return row.volume_ml > 0 ? `${number(row.volume_ml)} ml, ${row.slices} slices` : "nothing found";
  }

  /** Say a sentence when it is new, not at every poll; nothing about what was there when the page came. */
  #tell(key, sentence) {
    const before = this.#said.get(key);
    this.#said.set(key, sentence || "");
    if (sentence && before !== undefined && before !== sentence) say(sentence);
  }
}

/** Three or so digits that count. */
export function number(value) {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : value >= 0.1 || value === 0 ? 2 : 4;
  return value.toLocaleString("en", { maximumFractionDigits: digits });
}

function badge(text) {
  return element("span", { className: `badge ${text.split(" ")[0]}`, textContent: text });
}

function cross(label, act) {
  const button = element("button", { type: "button", className: "remove", textContent: "×" });
  button.setAttribute("aria-label", label);
  button.addEventListener("click", act);
  return button;
}
