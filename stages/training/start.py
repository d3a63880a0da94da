"""What a network begins with: nothing, weights of its encoder from elsewhere, or a trained model."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stages.core import lineage
from stages.core.errors import UserError
from stages.fingerprints import seen
from stages.networks import initial, pretrained
from stages.networks.initial import Initial

SEEN = "seen.npy"
"""Beside the weights of a trained model: hashes of the pictures that chose them."""


@dataclass(frozen=True)
class Start:
    """encoder_weights: as `network.build` takes them; encoder_file: where they lie, of a file. initial: the
    model to begin with; initial_file: its weights; seen: hashes of the pictures that it has seen.
    """

    encoder_weights: str | None
    encoder_file: Path | None
    initial: Initial | None
    initial_file: Path | None
    seen: np.ndarray

    @property
    def files(self) -> list[Path]:
        """On what the first weights depend."""
        return [file for file in (self.encoder_file, self.initial_file) if file]

    def hashes(self) -> dict[str, str]:
        """For the lineage in model.json, by its names."""
        files = {"encoder_weights_hash": self.encoder_file, "initial_weights_hash": self.initial_file}
        return {name: lineage.content_hash(file) for name, file in files.items() if file}

    def has_seen(self, hashes: np.ndarray) -> bool:
        """Whether a picture is among those that the initial model has seen."""
        return bool(seen.among(hashes, self.seen).any())

    def refuse_seen(self, tested: np.ndarray) -> None:
        """Raise `UserError` where the initial model has seen test pictures; hashes (N, `seen.BYTES`)."""
        if again := int(seen.among(tested, self.seen).sum()):
            assert self.initial is not None
            raise UserError(
                f"train.initial {self.initial.name} has seen {again} of the {len(tested)} test slices, and a "
                "test on them would say nothing; leave their patients out, or begin with another model"
            )


def of(params: Any, folder: Path | None, project: Path) -> Start:
    """What the params of training say. folder: of the model that `train.initial` names, and encoder weights
    are not read; None where it is null. project: to which a file of encoder weights is relative.

    Raises `UserError` where a model or a file is not there, is damaged, or does not say what it has seen.
    """
    if folder is None:
        file = pretrained.file_of(params.encoder_weights, params.encoder, project)
        weights = str(file) if file else params.encoder_weights
        return Start(weights, file, None, None, np.empty((0, seen.BYTES), np.uint8))
    begins = initial.read(folder, params.initial)
    known = seen.read(folder / SEEN, "it must say what train.initial has seen; train that model again")
    return Start(None, None, begins, folder / initial.WEIGHTS, known)
