"""What was segmented in each scan, as a row written at once: memory does not grow with their number."""

import csv
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from stages.core import atomic
from stages.inference.spec import Spec
from stages.masks import guarantee, label_map
from stages.masks.guarantee import Promise
from stages.predicting.scan import Scan, legible
from stages.predicting.segmenting import Segmented, Terms
from stages.predicting.writing import SUMMARY
from stages.scan import spacing
from stages.scan.spacing import Spacing
from stages.scan.volume import Volume

_NEARLY = 0.5
"""A share of the threshold: of an empty mask, probabilities from here on mean "almost found something"."""


VOID = "it is of another kind than the scans by which the model promises anything, so nothing is promised"


def row(
    scan: Scan,
    segmented: Segmented,
    volume: Volume,
    spec: Spec,
    files: list[str],
    terms: Terms | None = None,
) -> dict[str, Any]:
    """One scan's row. area_mm2 is of the slice with most tumour; volumes are of regions and classes. remarks:
    what the scan's files do not say, or say in two ways. far_out: whether it is unlike the scans of training,
    None where that cannot be said: nothing is promised of it then. outlying_p: the share of these that are as
    odd.

    Where the scan does not say its spacing (`spacing_known`), 1 mm is assumed for mm2 and ml.
    """
    why = _doubt(segmented, spec)
    stands = segmented.standing
    measured = measures(segmented.labels, volume.spacing, spec)
    coverage = (terms or Terms()).coverage
    doubt = segmented.frame_confidence, segmented.expected_dice
    promise = guarantee.of_scan(spec.guarantees, coverage, measured["volume_ml"], *doubt)
    void = stands is not None and stands.far_out and spec.guarantees is not None
    remarks = (*volume.remarks, VOID) if void else volume.remarks
    return {
        "scan": str(scan),
        "kind": scan.kind,
        **measured,
        "spacing_known": volume.spacing is not None,
        "confidence": None if segmented.confidence is None else round(segmented.confidence, 4),
        "low_confidence": bool(why),
        "why": why,
        "far_out": None if stands is None else stands.far_out,
        "outlying_p": None if stands is None else round(stands.p, 4),
        **promised(promise),
        "remarks": legible("; ".join(remarks)),
        "files": files,
    }


def promised(promise: Promise) -> dict[str, Any]:
    """What a row says of what the model promises; None where it promises nothing."""
    return {
        name: round(value, 4) if isinstance(value, float) else value for name, value in vars(promise).items()
    }


def measures(labels: np.ndarray, scan_spacing: Spacing | None, spec: Spec) -> dict[str, Any]:
    """What a row says of labels (S, H, W): slices, mm2 of the largest, ml of regions and classes."""
    mm = scan_spacing or spacing.ASSUMED
    counts = np.bincount(labels.ravel(), minlength=256)
    a_slice = (labels > 0).sum(axis=(1, 2))
    names = {f"{name}_ml": classes for name, classes in spec.output.regions.items()}
    names |= {f"{name}_ml": [label] for label, name in spec.output.classes.items()}
    return {
        "slices": len(labels),
        f"{spec.output.noun}_slices": int((a_slice > 0).sum()),
        "area_mm2": round(float(a_slice.max()) * mm.down * mm.across, 3),
        "volume_ml": round(float(counts[1:].sum()) * mm.voxel_ml, 4),
        **{name: round(float(counts[classes].sum()) * mm.voxel_ml, 4) for name, classes in names.items()},
    }


def columns(spec: Spec) -> list[str]:
    """Names of a row's columns, which depend on the model's regions and classes."""
    empty = Segmented(np.zeros((1, 1, 1), np.uint8), None, 0.0, blank=False)
    return list(row(Scan(Path(), "", (), ""), empty, Volume(empty.labels), spec, []))


def _doubt(segmented: Segmented, spec: Spec) -> str:
    """Why a person should look at this scan before any other, "" where nothing speaks for it."""
    unlike = segmented.standing.sentence if segmented.standing and not segmented.blank else ""
    return "; ".join(filter(None, (_doubt_of_mask(segmented, spec), unlike)))


def _doubt_of_mask(segmented: Segmented, spec: Spec) -> str:
    """What speaks against the mask, "" for nothing.

    A slice without a mask is nothing unusual, a whole scan is: the patients that models learn from have one.
    """
    rule = spec.decision
    if segmented.blank:
        return "no head was found in it"
    if segmented.confidence is None:
        if segmented.peak >= _NEARLY * rule.threshold[label_map.order(spec.output.regions)[0]]:
            return f"nothing was found, but one pixel has the probability {segmented.peak:.2f}"
        return "nothing was found in any slice" if len(segmented.labels) > 1 else ""
    if rule.low_confidence_below is not None and segmented.confidence < rule.low_confidence_below:
        return f"nine of ten validation patients had a higher confidence than {segmented.confidence:.2f}"
    return ""


@dataclass
class _Summaries:
    """The two summaries while they grow."""

    text: TextIO
    table: Any
    first: bool = True

    def add(self, row: dict[str, Any]) -> None:
        self.text.write(("" if self.first else ",") + "\n    " + json.dumps(row, ensure_ascii=False))
        self.table.writerow(row | {"files": ";".join(row["files"])})
        self.first = False


@contextmanager
def written(
    out: Path,
    spec: Spec,
    failed: list[dict[str, str]],
    left_out: Sequence[dict[str, str]] = (),
    coverage: float = guarantee.COVERAGE,
) -> Iterator[_Summaries]:
    """Both summaries in the folder `out`, there when the block ends well. `failed` may grow until then;
    left_out: paths that are no scans, and why. coverage: of what the model promises.
    """
    about = {"model_hash": spec.model_hash, "data_hash": spec.data_hash}
    head = {**about, "decision": asdict(spec.decision), "classes": spec.output.classes, "coverage": coverage}
    with ExitStack() as open_files:
        as_json, as_csv = (open_files.enter_context(atomic.file(out / name)) for name in SUMMARY)
        text = open_files.enter_context(as_json.open("w", encoding="utf-8", newline="\n"))
        lines = open_files.enter_context(as_csv.open("w", encoding="utf-8", newline=""))
        table = csv.DictWriter(lines, columns(spec), lineterminator="\n")
        table.writeheader()
        text.write(json.dumps(head, indent=2, ensure_ascii=False)[:-2] + ',\n  "scans": [')
        yield _Summaries(text, table)
        ends = {"failed": failed, "left_out": list(left_out)}
        text.write("\n  ],\n" + json.dumps(ends, indent=2, ensure_ascii=False)[2:] + "\n")
