"""Tables by which BIDS says what the numbers in a mask mean: `dseg.tsv`, with columns index and name."""

import csv
from pathlib import Path, PurePosixPath

from stages.core import record
from stages.core.errors import UserError
from stages.formats import suffixes
from stages.sources import labels

ENDING = "dseg.tsv"
MAX_BYTES = 1 << 20


def by_mask(root: Path, masks: list[str]) -> dict[str, str]:
    """The `label_set` of each mask `..._dseg`, as records name it, that has a table: of its own name, or
    `dseg.tsv` in one of the folders around it. Raises `UserError` for a damaged table.
    """
    of_table: dict[PurePosixPath, str] = {}
    of_mask: dict[str, str] = {}
    for mask in masks:
        path = PurePosixPath(record.names(mask)[0])
        beside = path.with_name(f"{suffixes.stem(path.name)}.tsv")
        if not beside.name.endswith(ENDING):
            continue
        around = (beside, *(folder / ENDING for folder in path.parents))
        table = next((table for table in around if (root / table).is_file()), None)
        if table is not None:
            if table not in of_table:
                of_table[table] = _read(root / table, table)
            of_mask[mask] = of_table[table]
    return of_mask


def _read(path: Path, name: PurePosixPath) -> str:
    way_out = "correct it or set ingest.labels"
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"it is larger than {MAX_BYTES >> 20} MiB")
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.DictReader(stream, delimiter="\t")
            if not {"index", "name"} <= set(rows.fieldnames or ()):
                raise ValueError("it must have the columns index and name")
            listed = {row["name"] or "": int(row["index"] or "") for row in rows}
        return labels.text(labels.numbered(listed))
    except UnicodeDecodeError:
        raise UserError(f"{name} is no text in UTF-8; {way_out}") from None
    except (ValueError, csv.Error) as error:
        raise UserError(f"{name}: {error}; {way_out}") from None
