// Parcels on their way to the server, one after the other, each with its progress and the server's sentence.

import { Refusal, authority, goneAway, isThere, sentenceIn, unlock } from "./api.js";

const FIRST_WAIT_S = 2;
const LONGEST_WAIT_S = 15;

/** Events "change", and "sent" with the scans that the server made of a parcel in `detail`. */
export class Uploads extends EventTarget {
  items = [];
  #number = 0;
  #isSending = false;

  add(parcels) {
    for (const { name, files } of parcels) {
      this.items.push({ id: ++this.#number, name, files, state: "waiting", share: 0, sentence: "" });
    }
    this.#send();
  }

  /** The item again, after a refusal. */
  again(item) {
    Object.assign(item, { state: "waiting", share: 0, sentence: "" });
    this.#send();
  }

  remove(item) {
    this.items = this.items.filter((other) => other !== item);
    item.stop?.();
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }

  async #send() {
    this.#changed();
    if (this.#isSending) return;
    this.#isSending = true;
    for (;;) {
      const item = this.items.find(({ state }) => state === "waiting");
      if (!item) break;
      await this.#deliver(item);
    }
    this.#isSending = false;
  }

  async #deliver(item) {
    for (let wait = FIRST_WAIT_S; this.items.includes(item); wait = Math.min(2 * wait, LONGEST_WAIT_S)) {
      Object.assign(item, { state: "sending", share: 0, sentence: "" });
      this.#changed();
      try {
        const scans = await this.#post(item);
        this.dispatchEvent(new CustomEvent("sent", { detail: scans }));
        this.remove(item);
        return;
      } catch (refusal) {
        if (refusal.status === 401) {
          await unlock();
        } else if (refusal.status === 429) {
          const seconds = refusal.wait || wait;
          Object.assign(item, { state: "delayed", sentence: `${refusal.message} Trying again by itself.` });
          this.#changed();
          await new Promise((done) => setTimeout(done, 1000 * seconds));
        } else {
          Object.assign(item, { state: "refused", sentence: refusal.message, mayHelp: !refusal.status });
          this.#changed();
          return;
        }
      }
    }
  }

  /** The scans of a parcel. fetch cannot tell how much of a body has left, XMLHttpRequest can. */
  #post(item) {
    const body = new FormData();
    for (const { file, path } of item.files) body.append("file", file, path);
    const request = new XMLHttpRequest();
    return new Promise((done, failed) => {
      item.stop = () => request.abort();
      request.open("POST", "api/scans");
      for (const [name, value] of Object.entries(authority())) request.setRequestHeader(name, value);
      request.upload.onprogress = ({ loaded, total }) => {
        item.share = total ? loaded / total : 0;
        this.#changed();
      };
      request.onload = () => {
        if (request.status < 300) return done([JSON.parse(request.responseText)].flat());
        const refusal = new Refusal(sentenceIn(request.responseText, request.status), request.status);
        refusal.wait = Number(request.getResponseHeader("Retry-After")) || 0;
        failed(refusal);
      };
      request.onabort = () => failed(new Refusal("Stopped.", 0));
      request.onerror = async () => {
        const isUp = await isThere();
        if (!isUp) goneAway();
        const ended = "The server ended the upload: it may be too large.";
        failed(new Refusal(isUp ? ended : "The server does not answer.", 0));
      };
      request.send(body);
    });
  }
}
