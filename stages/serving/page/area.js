// Connected places: the closed area of a plane around a pixel, the component of a volume around a voxel.

const AT_A_TIME = 20_000;

/** Voxels that a pixel of a slice is joined with along sides by being of the same class; null where these
 *  reach the edge of the picture, so that nothing closes them in. */
export function closedArea(cut, labels, { x, y }, slice) {
  const own = labels.data[cut.at(x, y, slice)];
  const isSeen = new Uint8Array(cut.width * cut.height);
  const places = [];
  const queue = [[x, y]];
  isSeen[y * cut.width + x] = 1;
  while (queue.length) {
    const [column, row] = queue.pop();
    if (column === 0 || row === 0 || column === cut.width - 1 || row === cut.height - 1) return null;
    places.push(cut.at(column, row, slice));
    for (const [right, down] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      const n = (row + down) * cut.width + column + right;
      if (isSeen[n] || labels.data[cut.at(column + right, row + down, slice)] !== own) continue;
      isSeen[n] = 1;
      queue.push([column + right, row + down]);
    }
  }
  return places;
}

/** Voxels joined with the one at `start` through any of 26 neighbours of a visible class. The page goes on
 *  meanwhile: after every AT_A_TIME voxels it has a turn. */
export async function component(labels, start, visible) {
  const { data, shape } = labels;
  const [slices, rows, columns] = shape;
  const isSeen = new Uint8Array((data.length + 7) >> 3);
  const isFree = (at) => data[at] && visible[data[at]] && !(isSeen[at >> 3] & (1 << (at & 7)));
  const places = [];
  const take = (at) => {
    isSeen[at >> 3] |= 1 << (at & 7);
    places.push(at);
  };
  if (isFree(start)) take(start);
  for (let n = 0; n < places.length; n++) {
    if (n % AT_A_TIME === AT_A_TIME - 1) await new Promise((done) => setTimeout(done));
    const column = places[n] % columns;
    const row = Math.floor(places[n] / columns) % rows;
    const slice = Math.floor(places[n] / (rows * columns));
    for (let s = Math.max(0, slice - 1); s <= Math.min(slices - 1, slice + 1); s++) {
      for (let r = Math.max(0, row - 1); r <= Math.min(rows - 1, row + 1); r++) {
        for (let c = Math.max(0, column - 1); c <= Math.min(columns - 1, column + 1); c++) {
          const at = (s * rows + r) * columns + c;
          if (isFree(at)) take(at);
        }
      }
    }
  }
  return places;
}
