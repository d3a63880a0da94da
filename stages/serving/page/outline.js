// Borders of the classes in a plane, as lines along the sides of pixels.

/** Path2D in pixel coordinates for each visible class of a plane (uint8, width pixels a row). A side between
 *  two classes belongs to the higher one.
 */
export function outlines(plane, width, height, visible) {
  const paths = new Map();
  const label = (x, y) => {
    if (x < 0 || y < 0 || x >= width || y >= height) return 0;
    const own = plane[y * width + x];
    return visible[own] ? own : 0;
  };
  const line = (owner, x, y, toX, toY) => {
    if (!paths.has(owner)) paths.set(owner, new Path2D());
    paths.get(owner).moveTo(x, y);
    paths.get(owner).lineTo(toX, toY);
  };
  // Sides of one owner that go on in one direction become one line.
  const scan = (across, along, sides, put) => {
    for (let n = 0; n <= across; n++) {
      let [owner, from] = [0, 0];
      for (let m = 0; m <= along; m++) {
        const [near, far] = m < along ? sides(n, m) : [0, 0];
        const next = near === far ? 0 : Math.max(near, far);
        if (next === owner) continue;
        if (owner) put(owner, n, from, m);
        [owner, from] = [next, m];
      }
    }
  };
  const above = (y, x) => [label(x, y - 1), label(x, y)];
  const before = (x, y) => [label(x - 1, y), label(x, y)];
  scan(height, width, above, (owner, y, from, to) => line(owner, from, y, to, y));
  scan(width, height, before, (owner, x, from, to) => line(owner, x, from, x, to));
  return paths;
}
