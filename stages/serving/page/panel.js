// Beside the planes: regions with their volumes, numbers and doubts of the open scan.

import { css } from "./display.js";
import { number } from "./list.js";
import { element } from "./notice.js";

const $ = (id) => document.getElementById(id);

/** Volumes in ml and the largest area in mm2 of labels as they are now. */
function measured({ labels, mm }, regions) {
  const voxelMl = (mm[0] * mm[1] * mm[2]) / 1000;
  const ml = Object.entries(regions).map(([name, classes]) => [name, labels.voxels(classes) * voxelMl]);
  const largest = labels.marks[0].reduce((most, count) => Math.max(most, count), 0);
  const slices = labels.marks[0].reduce((sum, count) => sum + Number(count > 0), 0);
  return { ml: Object.fromEntries(ml), total: labels.total * voxelMl, area: largest * mm[1] * mm[2], slices };
}

export class Panel {
  constructor(model, display) {
    Object.assign(this, { model, display });
    const on = (id, change) => $(id).addEventListener("input", () => display.change(change($(id))));
    on("mask-on", ({ checked }) => ({ isOn: checked }));
    on("outline", ({ checked }) => ({ isOutline: checked }));
    on("opacity", ({ value }) => ({ opacity: Number(value) }));
    this.regions = Object.entries(model.regions).map(([name, classes]) => this.#region(name, classes));
    $("regions").replaceChildren(...this.regions.map(({ node }) => node));
  }

  #region(name, classes) {
    const input = element("input", { type: "checkbox" });
    input.dataset.region = name;
    input.addEventListener("change", () => this.display.show(name, input.checked));
    const chips = classes.map((label) => {
      const chip = element("span", { className: "chip" });
      chip.style.backgroundColor = css(label);
      return chip;
    });
    const output = element("span", { className: "value" });
    output.dataset.number = `${name}_ml`;
    const label = element("label", { className: "check" }, input, element("span", {}, legible(name)));
    label.append(element("span", { className: "chips" }, ...chips));
    return { name, input, output, node: element("li", {}, label, output) };
  }

  draw({ reading }) {
    const { display, model } = this;
    const { scan, isUnsaved } = reading;
    const { row, view } = scan;
    $("scan-name").textContent = scan.name;
    $("doubt").hidden = !row.low_confidence;
    $("doubt").textContent = `Look first: ${row.why}.`;
    $("mask-on").checked = display.isOn;
    $("outline").checked = display.isOutline;
    $("opacity").value = display.opacity;
    $("opacity-value").textContent = `${Math.round(100 * display.opacity)} %`;
    const now = measured(reading, model.regions);
    const area = (mm2) => `${number(mm2)} mm²`;
    const volume = (ml) => `${number(ml)} ml`;
    for (const { name, input, output } of this.regions) {
      input.checked = display.shows(name);
      const ml = isUnsaved ? now.ml[name] : row[`${name}_ml`];
      output.textContent = view.flat ? area(1000 * (now.ml[name] / reading.mm[0])) : volume(ml);
    }
    const some = row.confidence === null ? "none" : row.confidence.toFixed(2);
    const numbers = [
      ...(view.flat ? [] : [["volume_ml", "All", volume(isUnsaved ? now.total : row.volume_ml)]]),
      ["area_mm2", view.flat ? "Area" : "Largest area", area(isUnsaved ? now.area : row.area_mm2)],
      ...(view.flat ? [] : [["slices", "Slices with mask", `${now.slices} of ${view.slices}`]]),
      ["confidence", "Confidence", some],
      ...(isUnsaved ? [] : promises(row, view.flat)),
    ];
    this.#write(numbers);
    $("spacing").hidden = row.spacing_known;
    const remarks = [row.remarks, ...scan.notes].filter(Boolean).join("; ");
    $("remarks").hidden = !remarks;
    $("remarks").textContent = remarks;
  }

  #write(numbers) {
    const text = JSON.stringify(numbers);
    if ($("numbers").dataset.text === text) return;
    $("numbers").dataset.text = text;
    $("numbers").replaceChildren(
      ...numbers.map(([key, name, value]) => {
        const what = element("dd", { textContent: value });
        what.dataset.number = key;
        return element("div", {}, element("dt", { textContent: name }), what);
      }),
    );
  }
}

/** What the model promises of the mask, for nine of ten patients; nothing where it promises nothing. */
function promises(row, isFlat) {
  const low = row.expected_dice_low;
  const least = low === null ? "" : `, at least ${low.toFixed(2)}`;
  return [
    !isFlat && row.volume_low_ml !== null
      ? ["volume_interval", "True volume", `${number(row.volume_low_ml)} to ${number(row.volume_high_ml)} ml`]
      : null,
    row.expected_dice === null
      ? null
      : ["expected_dice", "Expected Dice", row.expected_dice.toFixed(2) + least],
    row.trusted === null ? null : ["trusted", "Trusted", row.trusted ? "yes" : "no"],
  ].filter(Boolean);
}

/** A region's name for people: whole_tumour is "whole tumour". */
export function legible(name) {
  return name.replaceAll("_", " ");
}
