// Keys of the page, and the dialog that lists them.

import { element } from "./notice.js";

const FAR = 10;
const UP = { ArrowUp: 1, ArrowDown: -1, PageUp: 1, PageDown: -1 };
const NEXT = { ArrowLeft: -1, ArrowRight: 1 };
/** CSS pixels to the right and down. */
const PAN = {
  "shift+ArrowUp": [0, -40],
  "shift+ArrowDown": [0, 40],
  "shift+ArrowLeft": [-40, 0],
  "shift+ArrowRight": [40, 0],
};

/** [keys, what they do, act]. A key is as KeyboardEvent.key has it, after "ctrl+" and "shift+" where held. */
function table({ viewer, display, page }) {
  const { reading, editor } = viewer;
  const step = (by) => reading.step(reading.active, by);
  const end = (isLast) => reading.goTo(reading.active, isLast ? Infinity : 0);
  const tool = (name) => display.change({ tool: display.tool === name ? null : name });
  const size = (by) => display.change({ size: Math.min(60, Math.max(1, display.size + by)) });
  return [
    [["ArrowUp", "ArrowDown"], "slices, to the head and to the feet", (key) => step(UP[key])],
    [["PageUp", "PageDown"], "ten slices at once", (key) => step(UP[key] * FAR)],
    [["Home", "End"], "first and last slice", (key) => end(key === "End")],
    [["n", "p"], "next and previous slice with mask", (key) => page.marked(key === "n" ? 1 : -1)],
    [["ArrowLeft", "ArrowRight"], "another plane", (key) => viewer.activateNext(NEXT[key])],
    [["j", "k"], "next and previous scan", (key) => page.next(key === "j" ? 1 : -1)],
    [[..."123456789"], "sequence by its number", (key) => reading.choose(Number(key) - 1)],
    [["+", "=", "-"], "zoom in and out", (key) => viewer.zoom(key === "-" ? -1 : 1)],
    [["0"], "fit to the window", () => viewer.fit()],
    [Object.keys(PAN), "move the picture", (key) => viewer.active.panBy(...PAN[`shift+${key}`])],
    [["m"], "mask on or off", () => display.change({ isOn: !display.isOn })],
    [["o"], "outline or filled", () => display.change({ isOutline: !display.isOutline })],
    [["x"], "crosshair on or off", () => display.change({ isCrossed: !display.isCrossed })],
    [["b"], "brush", () => tool("brush")],
    [["e"], "eraser", () => tool("eraser")],
    [["f"], "fill a closed area with the class", () => tool("fill")],
    [["d"], "delete a connected part, in all slices", () => tool("delete")],
    [["Escape"], "put the tool down", () => display.change({ tool: null })],
    [["[", "]"], "smaller and larger brush", (key) => size(key === "[" ? -1 : 1)],
    [["ctrl+z"], "undo", () => editor.undo()],
    [["ctrl+shift+z", "ctrl+y"], "redo", () => editor.redo()],
    [["?"], "this list", () => openHelp()],
  ];
}

const MOUSE = [
  ["wheel", "slices"],
  ["ctrl + wheel, or two fingers", "zoom"],
  ["drag", "crosshair; moves the picture when zoomed in"],
  ["right drag, or shift + drag", "window: sideways its width, up and down its level"],
  ["middle drag", "moves the picture"],
  ["one finger", "slices up and down; a tap sets the crosshair"],
];

/** The keys act on what `state()` gives: {viewer, display, page}, or null while no scan is open. */
export function listen(state) {
  addEventListener("keydown", (event) => {
    const open = state();
    if (!open || event.altKey || document.querySelector("dialog[open]") || isTaken(event)) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const isShifted = event.shiftKey && (/^[a-z]$/.test(key) || event.key.startsWith("Arrow"));
    const pressed = `${event.ctrlKey || event.metaKey ? "ctrl+" : ""}${isShifted ? "shift+" : ""}${key}`;
    const row = table(open).find(([keys]) => keys.includes(pressed));
    if (!row) return;
    event.preventDefault();
    row[2](key);
  });
}

/** Whether the focused control has a use of its own for the key. */
function isTaken({ target, key, ctrlKey }) {
  if (!(target instanceof HTMLElement)) return false;
  if (target.matches("input:not([type=range]):not([type=checkbox]), textarea, select")) return true;
  if (target.matches("input[type=range]")) return !ctrlKey && key.length > 1 && key !== "Escape";
  return false;
}

export function openHelp() {
  const dialog = document.getElementById("help");
  const row = (keys, what) => {
    const marks = keys.flatMap((key) => [element("kbd", { textContent: legible(key) }), " "]);
    return element("tr", {}, element("td", {}, ...marks), element("td", { textContent: what }));
  };
  const rows = table({ viewer: {} }).map(([keys, what]) => row(keys.length > 4 ? ["1 to 9"] : keys, what));
  const mouse = MOUSE.map(([how, what]) => row([how], what));
  dialog.querySelector("tbody.keys").replaceChildren(...rows);
  dialog.querySelector("tbody.mouse").replaceChildren(...mouse);
  dialog.showModal();
}

const LEGIBLE = {
  ArrowUp: "↑",
  ArrowDown: "↓",
  ArrowLeft: "←",
  ArrowRight: "→",
  PageUp: "Page ↑",
  PageDown: "Page ↓",
};

function legible(key) {
  return key
    .split(/\+(?=.)/)
    .map((part) => LEGIBLE[part] ?? part)
    .join(" + ");
}
