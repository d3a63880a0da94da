"""What was found in each scan, as a row that is written at once: memory does not grow with their number."""

import csv
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from stages.core import atomic
from stages.inference.spec import Spec
from stages.predicting import segmenting
from stages.predicting.finding import Scan
from stages.predicting.segmenting import ASSUMED_SPACING_MM, Segmented
from stages.predicting.writing import SUMMARY
from stages.scan.header import Spacing

_NEARLY = 0.5
"""A share of the threshold: of an empty mask, probabilities from here on mean "almost found something"."""


def row(
    scan: Scan, found: Segmented, spacing_mm: Spacing | None, spec: Spec, files: list[str]
) -> dict[str, Any]:
    """One scan's row. area_mm2 is of the slice with most tumour; volumes are of regions and classes.

    Where the scan does not tell its spacing (`spacing_known`), 1 mm is assumed for mm2 and ml.
    """
    through, down, across = spacing_mm or ASSUMED_SPACING_MM
    millilitres = through * down * across / 1000
    counts = np.bincount(found.labels.ravel(), minlength=256)
    a_slice = (found.labels > 0).sum(axis=(1, 2))
    why = _doubt(found, spec)
    names = {f"{name}_ml": classes for name, classes in spec.output.regions.items()}
    names |= {f"{name}_ml": [label] for label, name in spec.output.classes.items()}
    return {
        "scan": str(scan.path),
        "kind": scan.kind,
        "slices": len(found.labels),
        "tumour_slices": int((a_slice > 0).sum()),
        "area_mm2": round(float(a_slice.max()) * down * across, 3),
        "volume_ml": round(float(counts[1:].sum()) * millilitres, 4),
        **{name: round(float(counts[classes].sum()) * millilitres, 4) for name, classes in names.items()},
        "spacing_known": spacing_mm is not None,
        "confidence": None if found.confidence is None else round(found.confidence, 4),
        "low_confidence": bool(why),
        "why": why,
        "files": files,
    }


def columns(spec: Spec) -> list[str]:
    """Names of a row's columns, which depend on the model's regions and classes."""
    empty = Segmented(np.zeros((1, 1, 1), np.uint8), None, 0.0, blank=False)
    return list(row(Scan(Path(), "", (), ""), empty, None, spec, []))


def _doubt(found: Segmented, spec: Spec) -> str:
    """Why a person should look at this scan before any other, "" where nothing speaks for it.

    A slice without tumour is nothing unusual, a whole scan is: the patients that models learn from have one.
    """
    rule = spec.decision
    if found.blank:
        return "no head was found in it"
    if found.confidence is None:
        if found.peak >= _NEARLY * rule.threshold[segmenting.order(spec)[0]]:
            return f"nothing was found, but one pixel has the probability {found.peak:.2f}"
        return "nothing was found in any slice" if len(found.labels) > 1 else ""
    if rule.low_confidence_below is not None and found.confidence < rule.low_confidence_below:
        return f"nine of ten validation patients had a higher confidence than {found.confidence:.2f}"
    return ""


@dataclass
class _Told:
    """The two summaries while they grow."""

    text: TextIO
    table: Any
    first: bool = True

    def add(self, one: dict[str, Any]) -> None:
        self.text.write(("" if self.first else ",") + "\n    " + json.dumps(one, ensure_ascii=False))
        self.table.writerow(one | {"files": ";".join(one["files"])})
        self.first = False


@contextmanager
def written(out: Path, spec: Spec, failed: list[dict[str, str]]) -> Iterator[_Told]:
    """Both summaries in the folder `out`, there when the block ends well. `failed` may grow until then."""
    about = {"model_hash": spec.model_hash, "data_hash": spec.data_hash}
    head = {**about, "decision": spec.decision.model_dump(), "classes": spec.output.classes}
    with ExitStack() as open_files:
        as_json, as_csv = (open_files.enter_context(atomic.file(out / name)) for name in SUMMARY)
        text = open_files.enter_context(as_json.open("w", encoding="utf-8", newline="\n"))
        lines = open_files.enter_context(as_csv.open("w", encoding="utf-8", newline=""))
        table = csv.DictWriter(lines, columns(spec), lineterminator="\n")
        table.writeheader()
        text.write(json.dumps(head, indent=2, ensure_ascii=False)[:-2] + ',\n  "scans": [')
        yield _Told(text, table)
        text.write("\n  ],\n  " + f'"failed": {json.dumps(failed, ensure_ascii=False)}' + "\n}\n")
