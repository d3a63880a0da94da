"""The tables that stages hand over as CSV: one schema each, one way to write and one to read them."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from io import StringIO
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from stages.core import atomic
from stages.core.errors import UserError
from stages.core.record import CORRECTIONS, Record

Align = Literal["left", "right"]


class Kind(StrEnum):
    """What a cell of a column is."""

    NAME = "a name"
    TEXT = "a text"
    YES_NO = "True or False"
    COUNT = "a whole number, not below 0"
    SHARE = "a number from 0 to 1"
    NUMBER = "a finite number"
    MEASURE = "a number, or empty where it is not defined"


@dataclass(frozen=True)
class Schema:
    """Columns that a table must have, and `further` ones that it may have. Others are numbers where all their
    cells are, else text. key: what no two rows may agree in.
    """

    columns: dict[str, Kind]
    further: dict[str, Kind] = field(default_factory=dict)
    key: tuple[str, ...] = ()

    def requiring(self, *names: str) -> "Schema":
        """The same, but some of the further columns must be there too."""
        kinds = {name: self.further[name] for name in names}
        return replace(
            self,
            columns=self.columns | kinds,
            further={name: kind for name, kind in self.further.items() if name not in kinds},
        )


_KINDS = {str: Kind.TEXT, int: Kind.COUNT, bool: Kind.YES_NO}
MANIFEST = Schema(
    {entry.name: _KINDS[entry.type] for entry in fields(Record)}  # type: ignore[index]
    | dict.fromkeys(("sample_id", "case_id", "patient_id"), Kind.NAME),
    {"group": Kind.NAME, "ties": Kind.TEXT, "replaces": Kind.TEXT},
)
"""A row a slice: what ingest wrote; also what is left of it after validate, which adds the group of slices
that belong together, and the store's index, which has the labelled pixels of each. Where corrections joined
another set validate adds two columns more (`checks.corrections`).
"""
FINDINGS = Schema(
    dict.fromkeys(("severity", "check"), Kind.NAME)
    | dict.fromkeys(("sample_id", "file", "explanation"), Kind.TEXT)
)
"""A row for each time that a check found something."""
SPLITS = Schema(dict.fromkeys(("sample_id", "case_id", "patient_id", "group", "split"), Kind.NAME))
"""A row a slice: train, val or test."""
HISTORY = Schema({"epoch": Kind.COUNT} | dict.fromkeys(("train_loss", "val_loss", "val_dice"), Kind.MEASURE))
"""A row an epoch of training."""
PER_CASE = Schema(
    dict.fromkeys(("case_id", "patient_id", "region"), Kind.NAME)
    | {"slices": Kind.COUNT, "dice": Kind.SHARE, "truth_ml": Kind.NUMBER},
    {
        "predicted_ml": Kind.NUMBER,
        "contrast": Kind.MEASURE,
        "site": Kind.TEXT,
        "traits": Kind.TEXT,
        "outlying_p": Kind.MEASURE,
    }
    | {"outer_level": Kind.MEASURE, "confidence": Kind.SHARE}
    | {"volume_log_error": Kind.NUMBER, "expected_dice": Kind.SHARE},
    key=("patient_id", "case_id", "region"),
)
"""A row a test case and region: its scores. `scoring.metrics` lists which; `scoring.conformal` those that the
guarantees are made of.
"""
SUSPECTS = Schema(
    dict.fromkeys(("sample_id", "case_id", "split", "region", "label_says"), Kind.NAME)
    | {"pixels": Kind.COUNT, "ml": Kind.NUMBER, "probability": Kind.SHARE}
)
"""A row for each label that a sure model contradicts."""
TRIED = Schema(
    dict.fromkeys(("model", "data"), Kind.NAME)
    | {"patients": Kind.COUNT}
    | dict.fromkeys(("dice", "dice_ci_low", "dice_ci_high"), Kind.SHARE)
    | {"note": Kind.TEXT},
    key=("model", "data"),
)
"""A row for each set that a model, named by its weights' hash, was scored on (`brainseg score --record`)."""
SITES = Schema(
    dict.fromkeys(("patients_hash", "recipe"), Kind.NAME)
    | {"prepared": Kind.TEXT, "site": Kind.NAME, "patients": Kind.COUNT, "dice": Kind.SHARE}
    | dict.fromkeys(("dice_ci_low", "dice_ci_high"), Kind.MEASURE)
    | {"worst_dice": Kind.SHARE},
    key=("patients_hash", "recipe", "site"),
)
"""A row for each site that networks were scored on which have not seen it (`scoring.sites`)."""
FRAMES = Schema(
    {"place": Kind.COUNT, "case_id": Kind.NAME}
    | dict.fromkeys(("frame", "slice", "found", "missed", "false_alarm"), Kind.COUNT)
)
"""A row a frame of the films: the film's place, the slice, and pixels of each outcome."""


def from_records(records: list[Record]) -> pd.DataFrame:
    """The manifest of some records, in their order."""
    return pd.DataFrame({name: [getattr(record, name) for record in records] for name in MANIFEST.columns})


def joined(manifest: pd.DataFrame) -> pd.Series:
    """Which rows are of corrections that joined another set (`ingest.also`): bool, index as of the table.

    None in a set that is made of corrections alone.
    """
    corrections = manifest["source"] == CORRECTIONS
    return corrections & (not corrections.all())


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]], align: Align = "left") -> str:
    """Rows of cells under their columns' names, which may come twice, as a Markdown table. Cells are written
    as they are; align: of all columns but the first.
    """
    table = pd.DataFrame([list(row) for row in rows], columns=list(columns), dtype=object)
    aligned = ("left", *[align] * (len(columns) - 1))
    return table.to_markdown(index=False, disable_numparse=True, colalign=aligned)


def write(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV: Unix line ends, no index, floats with six significant digits."""
    atomic.text(table.to_csv(index=False, float_format="%.6g", lineterminator="\n"), path)


def enter(schema: Schema, rows: pd.DataFrame, path: Path, by: Sequence[str]) -> None:
    """Write rows into a table, after those of it that each differ from all of them in a column of `by`; its
    others give way. Makes the table where there is none.
    """
    if path.exists():
        earlier = read(schema, path)
        names = list(by)
        other = ~earlier.set_index(names).index.isin(rows.set_index(names).index)
        rows = pd.concat([earlier[other], rows], ignore_index=True) if other.any() else rows
    write(rows, path)


def read(schema: Schema, path: Path) -> pd.DataFrame:
    """A table that a stage wrote; raises `UserError` as `parse` does, and where there is no such file."""
    try:
        content = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; `dvc repro` makes it") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is no text in UTF-8; `dvc repro --force` makes it anew") from None
    return parse(schema, content, str(path))


def parse(
    schema: Schema, content: str, where: str, way_out: str = "`dvc repro --force` makes it anew"
) -> pd.DataFrame:
    """A table from the text of its CSV file. Texts stay text, also where they look like numbers or are empty;
    measures that are empty become NaN.

    Raises `UserError`, with `where` and `way_out` in its sentence, where the text is no table, lacks a
    column, or has a cell that is not what its column holds.
    """
    try:
        with warnings.catch_warnings(action="error"):  # lines longer than the header
            table = pd.read_csv(
                StringIO(content, newline=""), dtype=str, keep_default_na=False, index_col=False
            )
    except (pd.errors.EmptyDataError, pd.errors.ParserError, pd.errors.ParserWarning):
        raise UserError(f"{where} is not a table; {way_out}") from None
    if missing := [name for name in schema.columns if name not in table]:
        raise UserError(f"{where} lacks the column {missing[0]}; {way_out}")
    kinds = schema.further | schema.columns
    for name in table.columns:
        values, wrong = _values(table[name], kinds.get(name, Kind.MEASURE))
        if not wrong.any():
            table[name] = values
        elif name in kinds:
            row = int(wrong.to_numpy().argmax())
            line = row + 2  # line 1 is the header
            raise UserError(
                f"{where}, line {line}: {name} is {table[name].iloc[row]!r}, not {kinds[name]}; {way_out}"
            )
    return table


def _values(cells: pd.Series, kind: Kind) -> tuple[pd.Series, pd.Series]:
    """The values of cells of text, and which cells have none."""
    if kind in (Kind.TEXT, Kind.NAME):
        return cells, (cells == "") & (kind is Kind.NAME)
    if kind is Kind.YES_NO:
        return cells == "True", ~cells.isin(["True", "False"])
    numbers = pd.to_numeric(cells, errors="coerce")
    if kind is Kind.MEASURE:
        return numbers, numbers.isna() & ~cells.isin(["", "nan"])
    wrong = ~np.isfinite(numbers)
    if kind is Kind.SHARE:
        wrong |= ~numbers.between(0, 1)
    if kind is Kind.COUNT:
        wrong |= (numbers < 0) | (numbers % 1 != 0)
        return numbers.where(~wrong, 0).astype("int64"), wrong
    return numbers, wrong
