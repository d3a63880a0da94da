"""Masks that a person accepted or drew, with their scans, in the folder that source `corrections` reads."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from stages.inference.spec import Spec
from stages.predicting import reading
from stages.predicting.scan import Scan
from stages.scan.task import Task
from stages.serving.entry import Statement
from stages.sources import corrections
from stages.sources.correction import Correction

_CHUNK = 1 << 20


def add(folder: Path, scan: Scan, labels: np.ndarray, statement: Statement, spec: Spec) -> None:
    """Write a scan as the model sees it, and labels (S, H, W) uint8, in place of what an earlier statement on
    the same scan left. Raises `UserError` where it cannot be read any more.
    """
    volume, output = reading.read(scan, spec.input), spec.output
    task = Task("corrected", output.classes, output.regions, exclusive=output.exclusive, noun=output.noun)
    corrections.write(
        folder,
        Correction(
            scan=_hash(scan),
            name=str(scan),
            verdict=statement.verdict,
            model=spec.model_hash,
            version=statement.version,
            who=statement.who,
            when=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            channels=tuple(spec.input.channels),
            spacing=volume.spacing,
            task=task,
        ),
        volume.voxels,
        labels,
        volume.grid,
    )


def _hash(scan: Scan) -> str:
    """SHA-256 of the contents of a scan's files, in the order of its slices or modalities."""
    digest = hashlib.sha256()
    for file in scan.files:
        with file.open() as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
    return digest.hexdigest()
