// What the user says of a mask: accepted as it is, or corrected and saved. And files to keep of it.

import { ask, download, json } from "./api.js";
import { element, say } from "./notice.js";

const $ = (id) => document.getElementById(id);
const KEPT = "brainseg-who";
const FILES = [
  ["mask", "Mask"],
  ["overlay", "Overlay"],
  ["dicom-seg", "DICOM SEG"],
];

/** Buttons of the verdict on what `open()` gives; saved: a function of the server's answer. */
export class Verdict {
  #isSending = false;

  constructor(model, open, saved) {
    Object.assign(this, { model, open, saved });
    $("who").value = localStorage.getItem(KEPT) ?? "";
    $("who").addEventListener("change", () => localStorage.setItem(KEPT, $("who").value.trim()));
    // Once the name is written, keys mean the planes again.
    $("who").addEventListener("keydown", ({ key }) => key === "Enter" && $("who").blur());
    $("accept").addEventListener("click", () => this.accept());
    $("save").addEventListener("click", () => this.save());
    $("keep-all").addEventListener("click", () => fetched("api/files", "masks.zip", $("keep-all")));
  }

  get #who() {
    return $("who").value.trim();
  }

  async accept() {
    const { reading } = this.open();
    const body = JSON.stringify({ verdict: "accepted", who: this.#who });
    const headers = { "Content-Type": "application/json" };
    await this.#send(reading, "verdict", { body, headers }, "Accepted.");
  }

  /** Send the corrected mask. Whether the server took it. */
  async save() {
    const { reading } = this.open();
    const headers = { "Content-Type": "application/octet-stream" };
    let body = reading.labels.data.slice(); // as it is now, whatever is drawn while it is packed
    const { position } = reading.history;
    if (typeof CompressionStream !== "undefined") {
      const packed = new Blob([body]).stream().pipeThrough(new CompressionStream("gzip"));
      body = await new Response(packed).arrayBuffer();
      headers["Content-Encoding"] = "gzip";
    }
    const what = `labels?who=${encodeURIComponent(this.#who)}`;
    return this.#send(reading, what, { body, headers }, "Correction saved.", position);
  }

  async #send(reading, what, options, sentence, position = reading.history.position) {
    if (this.#isSending) return false;
    this.#isSending = true;
    reading.changed();
    try {
      const scan = await json(`api/scans/${reading.scan.id}/${what}`, { method: "PUT", ...options });
      reading.saved(scan, position);
      this.saved(scan);
      say(sentence, true);
      return true;
    } catch (refusal) {
      say(`Not saved: ${refusal.message}`, true);
      return false;
    } finally {
      this.#isSending = false;
      reading.changed();
    }
  }

  /** Files of the scan that was just opened. */
  build({ reading: { scan } }) {
    const button = (format, text, path) => {
      const made = element("button", { type: "button", textContent: text });
      made.dataset.keep = format;
      made.addEventListener("click", () => fetched(path, `${format}`, made));
      return made;
    };
    const path = `api/scans/${scan.id}`;
    const files = FILES.filter(([format]) => scan.formats.includes(format));
    $("keep").replaceChildren(
      ...files.map(([format, text]) => button(format, text, `${path}/mask?format=${format}`)),
      button("files", "Everything (.zip)", `${path}/files`),
    );
  }

  draw({ reading }) {
    const { scan, isUnsaved, isBusy } = reading;
    const isSending = this.#isSending || isBusy;
    $("accept").disabled = isSending || isUnsaved || scan.verdict !== null;
    $("save").disabled = isSending || !isUnsaved;
    const verdict = { accepted: "Accepted", corrected: "Corrected" }[scan.verdict] ?? "Not judged yet";
    $("verdict").textContent = isUnsaved ? "Corrections not saved yet" : verdict;
    $("unsaved").textContent = this.model.corrections
      ? "Verdicts and corrections are kept in the folder that the server was started with."
      : "The server keeps these until it ends; started with --corrections FOLDER it keeps them there.";
    const title = isUnsaved ? "Without the corrections not saved yet" : "";
    for (const button of $("keep").children) button.title = title;
  }
}

async function fetched(path, name, button) {
  button.disabled = true;
  try {
    await download(path, name);
  } catch (refusal) {
    say(`Not downloaded: ${refusal.message}`, true);
  } finally {
    button.disabled = false;
  }
}
