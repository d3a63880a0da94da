// What was dropped or chosen, as parcels: {name, files: [{file, path}]}. A parcel goes in one request.

/** Files that systems leave in folders, and that are nobody's scans. */
const LITTER = /(^|\/)(\.|__MACOSX\/|Thumbs\.db$|desktop\.ini$)/i;
const ARCHIVE = /\.zip$/i;

/** Parcels of a drop event's DataTransfer. Entries must be taken before the event ends. */
export async function dropped(transfer) {
  const items = [...transfer.items].filter((item) => item.kind === "file");
  const entries = items.map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile());
  const files = [];
  for (const entry of entries) {
    if (entry instanceof File) files.push({ file: entry, path: entry.name });
    else if (entry) await walk(entry, files);
  }
  return parcels(files);
}

/** Parcels of an <input type=file>, with or without webkitdirectory. */
export function chosen(list) {
  return parcels([...list].map((file) => ({ file, path: file.webkitRelativePath || file.name })));
}

async function walk(entry, files) {
  if (entry.isFile) {
    const file = await new Promise((done, failed) => entry.file(done, failed));
    files.push({ file, path: entry.fullPath.replace(/^\//, "") });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    // A reader hands out a hundred or so at a time, and nothing at the end.
    const some = await new Promise((done, failed) => reader.readEntries(done, failed));
    if (!some.length) return;
    for (const inner of some) await walk(inner, files);
  }
}

/** A folder is a parcel, so is an archive. Loose files are one together: they may be the slices of a scan. */
function parcels(files) {
  const made = new Map();
  for (const item of files.filter(({ path }) => !LITTER.test(path))) {
    const folder = item.path.includes("/") ? item.path.split("/")[0] : "";
    const key = folder ? `${folder}/` : ARCHIVE.test(item.path) ? item.path : "";
    if (!made.has(key)) made.set(key, { name: folder || item.path, files: [] });
    made.get(key).files.push(item);
  }
  const loose = made.get("");
  if (loose?.files.length > 1) loose.name = `${loose.files.length} files`;
  return [...made.values()];
}

/** Take drops anywhere in the window; take: a function of parcels. */
export function listen(take) {
  const root = document.documentElement;
  let depth = 0;
  const hasFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  const over = (change) => {
    depth = Math.max(0, depth + change);
    root.toggleAttribute("data-dropping", depth > 0);
  };
  addEventListener("dragenter", (event) => hasFiles(event) && over(1));
  addEventListener("dragleave", (event) => hasFiles(event) && over(-1));
  addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
  addEventListener("drop", async (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    over(-depth);
    take(await dropped(event.dataTransfer));
  });
}
