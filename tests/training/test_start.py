"""What a network begins with, and that it is not tested on what that has seen."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from stages.core import lineage
from stages.core.errors import UserError
from stages.fingerprints import seen
from stages.networks import initial, modelfile, network
from stages.training import checkpoint, start
from tests.fixtures import reports, trainings


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained model that has seen pictures 0 to 5."""
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    about = reports.model().model_copy(update={"encoder": trainings.ENCODER, "depth": 3})
    net = network.build(about, None, 1, about.mean, about.std)
    modelfile.save(about, checkpoint.weights(net), folder / initial.MODEL, folder / initial.WEIGHTS)
    seen.write(hashes(range(6)), folder / start.SEEN)
    return folder


def hashes(numbers: Sequence[int]) -> np.ndarray:
    random = [np.random.default_rng(number).bytes(seen.BYTES) for number in numbers]
    return np.frombuffer(b"".join(random), np.uint8).reshape(-1, seen.BYTES)


def params(**changes: Any) -> SimpleNamespace:
    usual = {"initial": None, "encoder_weights": None, "encoder": trainings.ENCODER}
    return SimpleNamespace(**(usual | changes))


def test_nothing_has_seen_nothing(tmp_path: Path) -> None:
    begins = start.of(params(), None, tmp_path)
    begins.refuse_seen(hashes(range(9)))
    assert not begins.has_seen(hashes(range(9)))
    assert (begins.files, begins.hashes()) == ([], {})


def test_a_model_is_no_beginning_for_a_test_on_what_it_has_seen(folder: Path, tmp_path: Path) -> None:
    begins = start.of(params(initial="base", encoder_weights="packaged"), folder, tmp_path)
    begins.refuse_seen(hashes(range(6, 9)))
    assert begins.has_seen(hashes([8, 5]))
    with pytest.raises(UserError, match=r"train\.initial base has seen 2 of the 4 test slices"):
        begins.refuse_seen(hashes([4, 5, 6, 7]))


def test_lineage_names_the_weights_that_it_began_with(folder: Path, tmp_path: Path) -> None:
    begins = start.of(params(initial="base", encoder_weights="packaged"), folder, tmp_path)
    weights = folder / initial.WEIGHTS
    assert begins.files == [weights]
    assert begins.hashes() == {"initial_weights_hash": lineage.content_hash(weights)}


def test_a_model_that_does_not_say_what_it_has_seen_is_refused(folder: Path, tmp_path: Path) -> None:
    for name in (initial.MODEL, initial.WEIGHTS):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    with pytest.raises(UserError, match=r"it must say what train\.initial has seen; train that model again"):
        start.of(params(initial="old"), tmp_path, tmp_path)
