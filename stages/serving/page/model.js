// The model that draws the masks: its name in the header, its facts and its card in a dialog.

import { ask } from "./api.js";
import { legible } from "./panel.js";
import { element } from "./notice.js";

const $ = (id) => document.getElementById(id);
/** What a card may consist of; anything else leaves its text. */
const TAGS = new Set(
  `h1 h2 h3 h4 h5 h6 p br hr ul ol li dl dt dd table caption thead tbody tfoot tr th td strong em b i code pre
  blockquote a sup sub div span section details summary`.split(/\s+/),
);
const GONE = new Set("SCRIPT STYLE TEMPLATE IFRAME OBJECT EMBED SVG MATH TITLE".split(" "));
const ATTRIBUTES = new Set(["href", "colspan", "rowspan", "scope", "align", "id"]);

export class Model {
  #hasCard = false;

  constructor(facts) {
    this.facts = facts;
    $("model-name").textContent = facts.name.split("/").slice(-2).join("/");
    $("model-version").textContent = facts.version ?? facts.hash.slice(0, 8);
    $("model-open").addEventListener("click", () => this.open());
    const below = facts.low_confidence_below;
    const regions = Object.keys(facts.regions).map(legible).join(", ");
    const rows = [
      ["Name", facts.name],
      ["Version", facts.version ?? "none"],
      ["Hash", facts.hash],
      ["Sequences", facts.channels.join(", ")],
      ["Regions", regions],
      ["Look first", below === null ? "" : `confidence below ${below}`],
      ["Remark", facts.remark],
    ].filter(([, value]) => value);
    const text = (tag, textContent) => element(tag, { textContent });
    const row = ([name, value]) => element("div", {}, text("dt", name), text("dd", value));
    $("model-facts").replaceChildren(...rows.map(row));
  }

  async open() {
    $("model").showModal();
    if (this.#hasCard) return;
    try {
      $("card").replaceChildren(clean(await (await ask("api/model/card")).text()));
      this.#hasCard = true;
    } catch (refusal) {
      const textContent = refusal.status === 404 ? "This model has no card." : refusal.message;
      $("card").replaceChildren(element("p", { textContent }));
    }
  }
}

/** A fragment of HTML with nothing in it that runs, loads or styles. */
export function clean(html) {
  const made = document.createDocumentFragment();
  copy(new DOMParser().parseFromString(html, "text/html").body, made);
  return made;
}

function copy(from, to) {
  for (const node of from.childNodes) {
    if (node.nodeType === Node.TEXT_NODE) to.append(node.textContent);
    if (node.nodeType !== Node.ELEMENT_NODE || GONE.has(node.nodeName.toUpperCase())) continue;
    if (!TAGS.has(node.localName)) {
      copy(node, to);
      continue;
    }
    const own = document.createElement(node.localName);
    for (const { name, value } of node.attributes) {
      if (!ATTRIBUTES.has(name) || (name === "href" && !/^(#|https?:)/i.test(value))) continue;
      own.setAttribute(name, name === "id" ? `card-${value}` : value.replace(/^#/, "#card-"));
    }
    if (own.hasAttribute("href")) Object.assign(own, { rel: "noopener noreferrer", target: "_blank" });
    copy(node, own);
    to.append(own);
  }
}
