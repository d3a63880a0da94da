"""The tables with one row per 2D slice: manifest, validated, index."""

from dataclasses import fields
from pathlib import Path

import pandas as pd

from stages.core import atomic
from stages.core.errors import UserError
from stages.core.record import Record

COLUMNS = [field.name for field in fields(Record)]
_TEXT_ADDED = ("group",)  # by later stages
_NUMBERS = {"slice", "width", "height", "channels"}
_YES_NO = {"patient_known"}


def from_records(records: list[Record]) -> pd.DataFrame:
    """The manifest of some records, in their order."""
    return pd.DataFrame([vars(record) for record in records], columns=COLUMNS)


def write(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV: Unix line ends, no index, floats with six significant digits."""
    atomic.text(table.to_csv(index=False, float_format="%.6g", lineterminator="\n"), path)


def read(path: Path) -> pd.DataFrame:
    """Read a table written by `write`; text columns stay text, also where they look like numbers or are
    empty.

    Raises `UserError` where the file is missing or lacks a column of the manifest.
    """
    try:
        header = list(pd.read_csv(path, nrows=0).columns)
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; `dvc repro` makes it") from None
    except pd.errors.EmptyDataError:
        header = []
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise UserError(f"{path} lacks the column {missing[0]}; `dvc repro --force` makes it anew")
    kinds: dict[str, type] = {name: str for name in (*COLUMNS, *_TEXT_ADDED) if name not in _NUMBERS}
    return pd.read_csv(path, dtype=kinds | dict.fromkeys(_YES_NO, bool), keep_default_na=False, na_values={})
