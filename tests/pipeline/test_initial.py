"""A model that another project trained is the beginning here: in its lineage, not tested on what it saw."""

import json
from pathlib import Path

import pytest

from stages.fingerprints import seen
from tests.pipeline.project import TINY, Project, ran

pytestmark = pytest.mark.slow


def read(project: Project, name: str) -> dict:
    return json.loads((project.root / name).read_text(encoding="utf-8"))


def test_a_training_begins_with_another_projects_model(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    first = Project(tmp_path / "first", TINY | {"train.epochs": "1"})
    first.dvc("repro", "export")
    # Other patients, grey, and a network that takes one channel: the encoder's first layer has other inputs.
    second = Project(
        tmp_path / "second",
        TINY
        | {"ingest.seed": "7", "train.epochs": "1", "train.initial": "../first/models"}
        | {"preprocess.channels": "[flair]"},
    )
    second.dvc("repro", "export")
    began = read(first, "models/model.json")["weights_hash"]
    assert read(second, "models/model.json")["initial_weights_hash"] == began
    card = (second.root / "models/export/model_card.md").read_text(encoding="utf-8")
    assert f"it began with all layers of ../first/models, weights of SHA-256 `{began}`" in card
    both = [seen.read(project.root / "models/seen.npy", "") for project in (first, second)]
    assert seen.among(both[0], both[1], bits=0).all()
    assert len(both[1]) > len(both[0])

    # Trained once more the weights are the same. A test on patients whom the first one trained on is refused;
    # on those whom that one tested it would not be.
    before = second.hashes("models")
    assert ran(second.dvc("repro", "--force", "--single-item", "train")) == ["train"]
    assert second.hashes("models") == before
    second.set("ingest.seed", "0")
    second.set("split.seed", "1")
    refusal = second.dvc("repro", "train", status=255)
    assert "train.initial ../first/models has seen" in refusal
    assert "test slices" in refusal
