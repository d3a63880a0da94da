// How masks are drawn, of whatever scan: regions, colours, opacity. And what a correction is made with.

/** RGB of Okabe and Ito's palette, as in the pictures that predict writes. */
const COLOURS = [[230, 159, 0], [86, 180, 233], [0, 158, 115], [204, 121, 167]];

export function colour(label) {
  return COLOURS[(label - 1) % COLOURS.length];
}

export function css(label) {
  return `rgb(${colour(label).join(" ")})`;
}

/** Event "change". tool: null, brush, eraser, fill or delete; size in pixels across; label: the class it draws.
 */
export class Display extends EventTarget {
  isOn = true;
  isOutline = false;
  isCrossed = true;
  opacity = 0.35;
  tool = null;
  size = 7;
  version = 0;
  /** For each class, whether it is drawn. */
  visible = new Uint8Array(256).fill(1);
  #hidden = new Set();

  /** regions: classes by name, classes: names by number, as text. */
  constructor({ regions, classes }) {
    super();
    this.regions = regions;
    this.classes = classes;
    this.label = Number(Object.keys(classes)[0] ?? 1);
  }

  change(values) {
    Object.assign(this, values);
    this.version++;
    this.dispatchEvent(new Event("change"));
  }

  shows(region) {
    return !this.#hidden.has(region);
  }

  /** Draw a region or not. Of a hidden one those classes are gone that are in no other region still drawn. */
  show(region, isShown) {
    if (isShown) this.#hidden.delete(region);
    else this.#hidden.add(region);
    const all = Object.entries(this.regions);
    this.visible.forEach((_, label) => {
      const owners = all.filter(([, classes]) => classes.includes(label));
      this.visible[label] = Number(!owners.length || owners.some(([name]) => this.shows(name)));
    });
    this.change({});
  }

  /** Draw whatever is needed to see a class. */
  reveal(label) {
    this.isOn = true;
    for (const [name, classes] of Object.entries(this.regions)) {
      if (classes.includes(label) && !this.visible[label]) this.show(name, true);
    }
  }
}
