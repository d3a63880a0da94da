"""patients.csv: whose a scan is, where names do not tell.

Columns `file` and `patient`. A file is named by its path, from the root or from the table's own folder, or
all of a name by it.
"""

import csv
from pathlib import Path, PurePosixPath

from stages.core.errors import UserError

NAME = "patients.csv"
COLUMNS = ("file", "patient")


def read(root: Path) -> dict[str, str] | None:
    """Patient by file as the table has it; None where there is none. Raises `UserError` for a damaged one."""
    tables = sorted(path for path in root.rglob("*") if path.name.lower() == NAME)
    if not tables:
        return None
    if len(tables) > 1:
        two = " and ".join(path.relative_to(root).as_posix() for path in tables[:2])
        raise UserError(f"{two} both tell whose the scans are; merge them into one")
    folder = tables[0].parent.relative_to(root)
    patient_of: dict[str, str] = {}
    try:
        with tables[0].open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.DictReader(stream)
            if not set(COLUMNS) <= set(rows.fieldnames or ()):
                raise UserError(
                    f"{NAME} must have the columns {' and '.join(COLUMNS)}; correct its first line"
                )
            for row in rows:
                file, patient = ((row[column] or "").strip() for column in COLUMNS)
                names = (file, PurePosixPath(folder, file.replace("\\", "/")).as_posix())
                if not patient or any(patient_of.setdefault(name, patient) != patient for name in names):
                    said = "two patients" if patient else "no patient"
                    raise UserError(f"{NAME} line {rows.line_num} gives {file} {said}; correct it there")
    except (UnicodeDecodeError, csv.Error):
        raise UserError(f"{NAME} is no CSV table in UTF-8; save it as one") from None
    return patient_of


def of(patient_of: dict[str, str] | None, key: str, file: str) -> str:
    """Whose a case is that is called `key` and has a file, a patient of its own where nobody tells."""
    if patient_of is None:
        return key
    path = PurePosixPath(file)
    for name in (file, path.name, key, path.stem):
        if name in patient_of:
            return patient_of[name]
    raise UserError(f"{NAME} does not say whose {file} is; add a line with its file and patient")


def untold(who: str, number: int, place: str = "") -> str:
    """A sentence for the user of so many cases without patients. who: what does not tell, with its verb."""
    return (
        f"{who} not tell patients, so each of the {number} cases counts as one; where a patient has several, "
        f"list them in {NAME}{place} (columns file and patient)"
    )
