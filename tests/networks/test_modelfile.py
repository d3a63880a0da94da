"""The model on disk."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from stages.core.errors import UserError
from stages.networks import modelfile, network
from stages.training import checkpoint

MODEL = modelfile.Model(
    arch="unet",
    encoder="resnet18",
    dropout=0.1,
    context=1,
    size=32,
    channels=["flair"],
    regions={"whole": [1, 2], "core": [2]},
    mean=[50.0, 60.0, 70.0],
    std=[10.0, 20.0, 30.0],
    best_epoch=3,
    best_val_dice=0.5,
    batch_size=4,
    params={"lr": 0.001, "encoder_weights": None},
    data_hash="d" * 32,
    weights_hash="",
)


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Any, Path, Path]:
    torch.manual_seed(5)
    net = network.build(MODEL, None, 2, MODEL.mean, MODEL.std)
    paths = tmp_path / "model.json", tmp_path / "model.safetensors"
    modelfile.save(MODEL, checkpoint.weights(net), *paths)
    return net, *paths


def test_round_trip(saved: tuple[network.Network, Path, Path]) -> None:
    net, model_path, weights_path = saved
    model, again = modelfile.load(model_path, weights_path)
    assert model == MODEL.model_copy(update={"weights_hash": model.weights_hash})
    assert not again.training
    given = torch.randint(0, 256, (2, 3, 32, 32, 1), dtype=torch.uint8)
    with torch.inference_mode():
        assert torch.equal(again(given), net.eval()(given))


def test_equal_weights_give_equal_files(saved: tuple[network.Network, Path, Path], tmp_path: Path) -> None:
    net, model_path, weights_path = saved
    other = tmp_path / "b.json", tmp_path / "b.safetensors"
    modelfile.save(MODEL, checkpoint.weights(net), *other)
    assert other[0].read_bytes() == model_path.read_bytes()
    assert other[1].read_bytes() == weights_path.read_bytes()


def test_changed_weights_are_refused(saved: tuple[network.Network, Path, Path]) -> None:
    _, model_path, weights_path = saved
    content = bytearray(weights_path.read_bytes())
    content[-1] ^= 1
    weights_path.write_bytes(content)
    with pytest.raises(UserError) as error:
        modelfile.load(model_path, weights_path)
    assert str(error.value) == (
        f"{weights_path} is not the file that {model_path} describes; run `dvc checkout` or `dvc repro`"
    )


@pytest.mark.parametrize("content", [None, b"", b"\xff" * 100])
def test_missing_or_broken_weights(saved: tuple[network.Network, Path, Path], content: bytes | None) -> None:
    _, model_path, weights_path = saved
    weights_path.unlink()
    if content is not None:
        weights_path.write_bytes(content)
    with pytest.raises(UserError) as error:
        modelfile.load(model_path, weights_path)
    assert str(error.value).startswith(f"{weights_path} cannot be read (")
    assert str(error.value).endswith("); `dvc repro train` or `dvc pull` makes it")


def test_missing_damaged_and_foreign_json(saved: tuple[network.Network, Path, Path], tmp_path: Path) -> None:
    path = saved[1]
    described = json.loads(path.read_text())

    def told(content: str) -> str:
        path.write_text(content, encoding="utf-8")
        with pytest.raises(UserError) as error:
            modelfile.read(path)
        return str(error.value)

    damaged = f"{path} is damaged; run `dvc repro --force train`"
    assert told(json.dumps(described)[:-20]) == damaged
    assert told(json.dumps({**described, "mean": "bright"})) == damaged
    assert told(json.dumps({**described, "schema_version": 2})) == (
        f"{path} has schema 2, this version reads 1; run `dvc repro train`"
    )
    path.unlink()
    with pytest.raises(UserError) as missing:
        modelfile.read(path)
    assert str(missing.value) == f"{path} does not exist; `dvc repro train` makes it"
