"""One scan from its files to its mask, its picture and its row of the summary."""

import errno
import traceback
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from stages.core.errors import UserError
from stages.inference.onnx_predictor import Exported
from stages.predicting import overlay, reading, segmenting, summary, writing
from stages.predicting.scan import Scan
from stages.predicting.segmenting import Segmented, Terms
from stages.scan.header import first_words
from stages.scan.volume import Volume


@dataclass(frozen=True)
class Outcome:
    """What came of a scan. volume: its voxels with the channels that the model takes; row: of the summary."""

    volume: Volume
    segmented: Segmented
    row: dict[str, Any]


def segment(scan: Scan, model: Exported, out: Path, terms: Terms | None = None) -> Outcome:
    """Segment one scan and write what belongs to it into the folder `out`. Raises `UserError`."""
    volume = reading.read(scan, model.spec.input)
    segmented = segmenting.segment(volume.voxels, volume.spacing, model, terms)
    files, remarks = write(scan, volume, segmented.labels, model, out, outer=segmented.outer)
    remarks += segmenting.remarks(volume.spacing, model)
    remarks += segmented.standing.remarks if segmented.standing else ()
    if segmented.outer is not None and model.spec.output.exclusive:
        remarks.append("its outer masks may overlap, and a voxel in several is painted as one of these")
    remarked = replace(volume, remarks=(*volume.remarks, *remarks))
    return Outcome(remarked, segmented, summary.row(scan, segmented, remarked, model.spec, files, terms))


def write(
    scan: Scan,
    volume: Volume,
    labels: np.ndarray,
    model: Exported,
    out: Path,
    *,
    corrected: bool = False,
    outer: np.ndarray | None = None,
) -> tuple[list[str], list[str]]:
    """Write the mask of labels (S, H, W) and its picture, and where there are labels of an outer mask this
    too; returns the files, relative to `out`, and remarks on what they lack. All files of a scan are written,
    or none. corrected: a person drew in it.
    """
    with writing.together(out, scan.folder) as folder:
        files, remarks = writing.write(labels, scan, volume, model.spec, folder, corrected=corrected)
        files.append(f"{scan.name}_overlay.png")
        overlay.write(volume.voxels, labels, model.spec.input, folder / files[-1])
        if outer is not None:
            files.append(writing.write_outer(outer, scan, volume, model.spec, folder))
    return [str(PurePosixPath(scan.folder, name)) for name in files], remarks


def reason(error: Exception) -> str:
    """Why a scan could not be segmented. What nobody foresaw is named as such, with the line that raised it,
    and does not take the results of other scans with it. Raises the error again where the disk is full.
    """
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, MemoryError):
        return "it does not fit into memory"
    if isinstance(error, OSError):
        if error.errno == errno.ENOSPC:
            raise error
        if error.strerror:
            return f"{error.strerror} ({error.filename})" if error.filename else error.strerror
    *_, last = traceback.extract_tb(error.__traceback__)
    where = f"line {last.lineno} of {Path(last.filename).name}"
    return f"{type(error).__name__}: {first_words(error)} ({where}); this was not foreseen, please report it"
