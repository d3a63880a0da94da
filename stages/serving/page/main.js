// The page of `brainseg serve`: what is told to what.

import { json, onLocked, server, takeToken } from "./api.js";
import { Display } from "./display.js";
import * as drop from "./drop.js";
import * as keys from "./keys.js";
import { List } from "./list.js";
import { Model } from "./model.js";
import { askToken, question, say } from "./notice.js";
import { Panel } from "./panel.js";
import { Reading } from "./reading.js";
import { Scans } from "./scans.js";
import { Toolbar } from "./toolbar.js";
import { Uploads } from "./upload.js";
import { Verdict } from "./verdict.js";
import { Viewer } from "./viewer.js";

/** Names of this machine itself. */
const HERE = new Set(["127.0.0.1", "localhost", "[::1]"]);
/** As in style.css: the viewer lies below the list. */
const STACKED = matchMedia("(max-width: 699px)");
const $ = (id) => document.getElementById(id);

class Page {
  viewer = null;
  #opening = null;

  constructor(facts) {
    this.display = new Display(facts);
    this.scans = new Scans();
    this.uploads = new Uploads();
    const open = () => this.viewer;
    const acts = { open: (scan) => this.choose(scan), remove: (scan) => this.remove(scan) };
    this.list = new List(this.scans, this.uploads, acts);
    this.toolbar = new Toolbar(this.display, open);
    this.panel = new Panel(facts, this.display);
    this.verdict = new Verdict(facts, open, (scan) => this.scans.replace(scan));
    this.#listen(facts);
    this.scans.refresh();
  }

  #listen(facts) {
    const take = (parcels) => {
      if (parcels.length) this.uploads.add(parcels);
      else say("There is no file in that.", true);
    };
    drop.listen(take);
    for (const id of ["files", "folder"]) {
      $(`choose-${id}`).addEventListener("click", () => $(id).click());
      $(id).addEventListener("change", () => {
        take(drop.chosen($(id).files));
        $(id).value = "";
      });
    }
    $("demo").hidden = !facts.demo;
    $("demo").addEventListener("click", () => this.demo());
    this.uploads.addEventListener("sent", ({ detail }) => this.scans.add(detail));
    this.scans.addEventListener("change", () => {
      this.#closeGone();
      this.#openFirst();
    });
    $("planes").addEventListener("click", ({ target }) => {
      const { marked } = target.dataset;
      if (marked) this.marked(Number(marked));
    });
    if (!HERE.has(location.hostname)) {
      const where = `on ${location.hostname}, and go nowhere else.`;
      $("where").textContent = `They are read by the program that serves this page, ${where}`;
    }
    keys.listen(() => this.viewer && { viewer: this.viewer, display: this.display, page: this });
    addEventListener("beforeunload", (event) => this.viewer?.reading.isUnsaved && event.preventDefault());
  }

  async demo() {
    try {
      this.scans.add([await json("api/demo", { method: "POST" })].flat());
    } catch (refusal) {
      say(refusal.message, true);
    }
  }

  /** A server that was started anew has no scan of before. */
  #closeGone() {
    const reading = this.viewer?.reading;
    if (!reading || this.scans.get(reading.scan.id)) return;
    if (!reading.isUnsaved) this.close();
    say(`The server no longer has ${reading.scan.name}.`, true);
  }

  /** While nothing is open, the first scan that is done opens itself. */
  #openFirst() {
    if (this.viewer || this.#opening) return;
    const first = this.list.order.find(({ status }) => status === "done");
    if (first) this.open(first);
  }

  /** Open what was chosen in the list, and on a phone go to where it is. */
  async choose(scan) {
    await this.open(scan);
    if (STACKED.matches) $("work").scrollIntoView();
  }

  async open(scan) {
    if (scan.id === this.#opening || scan.id === this.viewer?.reading.scan.id) return;
    if (!(await this.#mayLeave())) return;
    this.#opening = scan.id;
    try {
      const reading = await Reading.open(scan);
      if (this.#opening !== scan.id) return; // another was asked for meanwhile
      this.close();
      this.#show(reading);
    } catch (refusal) {
      say(`${scan.name} could not be opened: ${refusal.message}`, true);
    } finally {
      if (this.#opening === scan.id) this.#opening = null;
    }
  }

  #show(reading) {
    for (const id of ["viewer", "panel"]) $(id).hidden = false;
    $("empty").hidden = true;
    this.viewer = new Viewer($("planes"), reading, this.display);
    this.list.opened = reading.scan.id;
    this.list.draw();
    this.toolbar.build(this.viewer);
    this.verdict.build(this.viewer);
    const draw = () => [this.toolbar, this.panel, this.verdict].forEach((part) => part.draw(this.viewer));
    this.viewer.addEventListener("drawn", draw);
    draw(); // at once: nobody sees the numbers of the scan before
    say(`${reading.scan.name} is open.`);
  }

  close() {
    this.viewer?.close();
    this.viewer = null;
    this.list.opened = null;
    for (const id of ["viewer", "panel"]) $(id).hidden = true;
    $("empty").hidden = false;
  }

  /** Whether corrections of the open scan are saved, or may be lost. */
  async #mayLeave() {
    const reading = this.viewer?.reading;
    if (!reading?.isUnsaved) return true;
    const text = `What you corrected in ${reading.scan.name} has not been saved.`;
    const choices = [["stay", "Stay"], ["drop", "Discard"], ["save", "Save correction"]];
    const answer = await question("Corrections not saved", text, choices);
    return answer === "drop" || (answer === "save" && (await this.verdict.save()));
  }

  async remove(scan) {
    const reading = this.viewer?.reading;
    const isOpen = reading?.scan.id === scan.id;
    if (isOpen && !(await this.#mayLeave())) return;
    try {
      if (isOpen) this.close();
      await this.scans.remove(scan);
      say(`${scan.name} was removed.`);
    } catch (refusal) {
      say(refusal.message, true);
      this.scans.refresh();
    }
  }

  /** The next scan that is done (1), or the one before (-1), as they stand in the list. */
  next(by) {
    const done = this.list.order.filter(({ status }) => status === "done");
    const now = done.findIndex(({ id }) => id === this.viewer?.reading.scan.id);
    const scan = done[now + by];
    if (scan) this.open(scan);
    else say(by > 0 ? "This is the last scan." : "This is the first scan.", true);
  }

  marked(step) {
    const { reading } = this.viewer;
    if (reading.stepMarked(reading.active, step)) return;
    say(`There is no mask further ${step > 0 ? "up" : "down"} in this plane.`, true);
  }
}

server.addEventListener("away", () => ($("banner").hidden = false));
server.addEventListener("back", () => ($("banner").hidden = true));
$("help-open").addEventListener("click", keys.openHelp);
takeToken();
onLocked(askToken);

async function start() {
  try {
    const facts = await json("api/model");
    new Model(facts);
    new Page(facts);
  } catch (refusal) {
    if (refusal.status) say(refusal.message, true);
    server.addEventListener("back", start, { once: true });
  }
}
start();
