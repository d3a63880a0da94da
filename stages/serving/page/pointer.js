// Mouse, fingers and pen on a plane: crosshair, slices, zoom, window, and the tools of correction.

const CLICK_PX = 4;
const A_SLICE_PX = 8; // a finger's way from a slice to the next
const A_WINDOW_PX = 600; // the mouse's way through the whole range of values
const WHEEL_ZOOM = 1.0015;
const A_NOTCH = 60; // of the wheel, for a slice

/** Gestures on the canvas of a plane. editor takes strokes; activate: keys mean this plane from now on. */
export class Pointer {
  #fingers = new Map();
  #gesture = null;
  #wheel = 0;

  constructor(plane, editor, activate) {
    Object.assign(this, { plane, editor, activate, reading: plane.reading });
    const { canvas } = plane;
    const on = (name, act) => canvas.addEventListener(name, act.bind(this), { passive: false });
    on("pointerdown", this.#down);
    on("pointermove", this.#move);
    on("pointerup", this.#up);
    on("pointercancel", this.#up);
    on("pointerleave", this.#leave);
    on("wheel", this.#turn);
    on("contextmenu", (event) => event.preventDefault());
  }

  #place(event) {
    const box = this.plane.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  #down(event) {
    event.preventDefault();
    this.plane.canvas.focus({ preventScroll: true });
    this.activate();
    // A pointer made by a script has no capture to take.
    if (event.isTrusted) this.plane.canvas.setPointerCapture(event.pointerId);
    const place = this.#place(event);
    this.#fingers.set(event.pointerId, place);
    if (this.#fingers.size === 2) {
      this.editor.cancel();
      this.#gesture = { kind: "pinch", ...this.#span() };
      return;
    }
    if (this.#fingers.size > 2) return;
    this.#gesture = { kind: this.#kind(event), start: place, last: place, way: 0, slice: this.#slice() };
    if (this.#gesture.kind === "tool") this.editor.begin(this.plane, this.plane.pixel(place));
    if (this.#gesture.kind === "cross") this.#cross(place);
  }

  #kind(event) {
    const isTouch = event.pointerType === "touch";
    if (!isTouch && (event.button === 2 || event.shiftKey)) return "window";
    if (event.button === 1) return "pan";
    if (this.editor.display.tool) return "tool";
    if (isTouch) return "slices";
    return this.plane.zoom > 1 ? "pan" : "cross";
  }

  #slice() {
    return this.reading.slice(this.plane.name);
  }

  #move(event) {
    const place = this.#place(event);
    if (event.pointerType !== "touch") {
      this.plane.pointer = place;
      this.plane.again();
    }
    if (!this.#fingers.has(event.pointerId) || !this.#gesture) return;
    this.#fingers.set(event.pointerId, place);
    const { kind, last, start } = this.#gesture;
    if (kind === "pinch") return this.#pinch();
    const [right, down] = [place[0] - last[0], place[1] - last[1]];
    this.#gesture.last = place;
    this.#gesture.way += Math.hypot(right, down);
    if (kind === "tool") this.editor.move(this.plane, this.plane.pixel(place));
    if (kind === "cross") this.#cross(place);
    if (kind === "pan") this.plane.panBy(right, down);
    if (kind === "window") this.#window(right, down);
    if (kind === "slices" && this.#gesture.way > CLICK_PX && !this.reading.view.flat) {
      const by = Math.round((start[1] - place[1]) / A_SLICE_PX);
      this.reading.goTo(this.plane.name, this.#gesture.slice + by);
    }
  }

  #up(event) {
    this.#fingers.delete(event.pointerId);
    if (!this.#gesture) return;
    const { kind, way, last } = this.#gesture;
    if (kind === "pinch" && this.#fingers.size) return; // the other finger is still to go
    this.#gesture = null;
    if (kind === "tool") this.editor.end();
    const isClick = way <= CLICK_PX && event.type === "pointerup" && event.button !== 1;
    if ((kind === "pan" || kind === "slices") && isClick) this.#cross(last);
  }

  #leave() {
    this.plane.pointer = null;
    this.plane.again();
  }

  #cross(place) {
    const { x, y } = this.plane.pixel(place);
    const { cut } = this.plane;
    if (!cut.contains(x, y)) return;
    this.reading.moveTo(cut.voxel(Math.floor(x), Math.floor(y), this.#slice()));
  }

  #window(right, down) {
    const [lowest, highest] = this.reading.range;
    const [level, width] = this.reading.window;
    const a_pixel = (highest - lowest) / A_WINDOW_PX;
    this.reading.setWindow(level - down * a_pixel, width + right * a_pixel);
  }

  #span() {
    const [[x1, y1], [x2, y2]] = [...this.#fingers.values()];
    return { middle: [(x1 + x2) / 2, (y1 + y2) / 2], across: Math.max(1, Math.hypot(x2 - x1, y2 - y1)) };
  }

  #pinch() {
    if (this.#fingers.size < 2) return;
    const { middle, across } = this.#gesture;
    const now = this.#span();
    this.plane.panBy(now.middle[0] - middle[0], now.middle[1] - middle[1]);
    this.plane.zoomBy(now.across / across, now.middle);
    Object.assign(this.#gesture, now);
  }

  #turn(event) {
    this.activate();
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      this.plane.zoomBy(WHEEL_ZOOM ** -event.deltaY, this.#place(event));
      return;
    }
    if (this.reading.view.flat) return;
    event.preventDefault();
    this.#wheel -= event.deltaMode ? event.deltaY * A_NOTCH : event.deltaY;
    const by = Math.trunc(this.#wheel / A_NOTCH);
    this.#wheel -= by * A_NOTCH;
    if (by) this.reading.step(this.plane.name, by);
  }
}
