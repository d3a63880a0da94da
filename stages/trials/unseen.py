"""Which scans of a set a model has not learnt from: those that it can be scored on."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stages.core.errors import UserError
from stages.fingerprints import seen
from stages.store import shards
from stages.store.shards import Store

FILE = "seen.npy"
"""Of an export, beside its graph: hashes of the pictures that chose weights, epoch and threshold."""


@dataclass(frozen=True)
class Unseen:
    """rows: of the store's index, whose patients the model has not seen. patients, slices: left out, for
    pictures of the patient are among those that it has seen. checked: whether the model says which these are.
    """

    rows: np.ndarray
    patients: list[str]
    slices: int
    checked: bool

    def sentence(self) -> str:
        """What a reader of the score must know."""
        if not self.checked:
            return (
                f"the model does not say which pictures it has seen (no {FILE} beside it): these may be "
                "among them; export it again with this version"
            )
        if not self.patients:
            return (
                "none of these pictures is, flipped, turned or resized, among those that the model has seen"
            )
        named = ", ".join(self.patients[:3]) + (" and others" if self.patients[3:] else "")
        patients = "1 patient" if len(self.patients) == 1 else f"{len(self.patients)} patients"
        return f"left out: {patients} ({self.slices} slices) whose pictures the model has seen, {named}"


def of(store: Store, folder: Path, model: Path) -> Unseen:
    """Scans of an open store, which lies in a folder. model: the .onnx file or its folder. Raises `UserError`
    where the model has seen all patients.
    """
    names = list(store.index["patient_id"])
    path = (model if model.is_dir() else model.parent) / FILE
    if not path.is_file():
        return Unseen(np.arange(len(names)), [], 0, checked=False)
    known = seen.read(path, "export the model again")
    hashes = seen.read(shards.fingerprints(folder), "run this again")
    patients = seen.groups(hashes, known, names)
    out = store.index["patient_id"].isin(patients).to_numpy()
    if out.all():
        raise UserError(
            f"the model has seen pictures of each of these {len(patients)} patients, so that a score on them "
            "says nothing; score it on others"
        )
    return Unseen(np.flatnonzero(~out), patients, int(np.count_nonzero(out)), checked=True)
