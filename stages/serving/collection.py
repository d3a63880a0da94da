"""Masks that a person accepted or drew, with their scans, in the folder that source `corrections` reads."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from stages.inference.spec import Input, Spec
from stages.predicting import reading
from stages.predicting.scan import Scan
from stages.scan.header import Unreadable
from stages.scan.task import Task
from stages.scan.volume import Volume
from stages.serving.entry import Statement
from stages.sources import corrections
from stages.sources.correction import Correction


def add(folder: Path, scan: Scan, labels: np.ndarray, statement: Statement, spec: Spec) -> None:
    """Write a scan with all sequences of a training scan, or those that the model takes where it has no
    others, and labels (S, H, W) uint8, in place of what an earlier statement on the same scan left.

    Raises `UserError` where it cannot be read any more.
    """
    volume, channels = _read(scan, spec.input)
    output = spec.output
    task = Task("corrected", output.classes, output.regions, exclusive=output.exclusive, noun=output.noun)
    corrections.write(
        folder,
        Correction(
            scan=scan.content_hash(),
            name=str(scan),
            verdict=statement.verdict,
            model=spec.model_hash,
            version=statement.version,
            who=statement.who,
            when=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            channels=channels,
            spacing=volume.spacing,
            task=task,
        ),
        volume.voxels,
        labels,
        volume.grid,
    )


def _read(scan: Scan, model_input: Input) -> tuple[Volume, tuple[str, ...]]:
    """A scan and the names of its channels."""
    whole = model_input.model_copy(update={"channels": model_input.modalities or model_input.channels})
    try:
        return reading.read(scan, whole), tuple(whole.channels)
    except Unreadable:
        return reading.read(scan, model_input), tuple(model_input.channels)
