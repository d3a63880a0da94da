"""The trained model on disk: weights as safetensors, everything else a reader needs as JSON beside them."""

from pathlib import Path
from typing import Literal

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from stages.core import atomic, lineage
from stages.core.errors import UserError
from stages.networks import network
from stages.networks.architecture import Architecture
from stages.networks.volumetric import VolumeNetwork

SCHEMA: Literal[1] = 1


class Model(Architecture):
    """`model.json`: how to build the network again and what its input and output mean."""

    schema_version: Literal[1] = SCHEMA
    context: int
    size: int
    channels: list[str]  # of one slice, in order
    regions: dict[str, list[int]]  # labels of each output channel, in order
    mean: list[float]  # levels 0..255, one for each input channel (neighbours included)
    std: list[float]
    best_epoch: int  # the one kept: the best by validation Dice, or the last (`train.keep`)
    best_val_dice: float  # its
    batch_size: int
    params: dict[str, object]  # the train section
    data_hash: str  # of slices, splits and policy
    precision: Literal["", "fp32", "bf16"] = ""  # of the training; "" in models from before it was written
    encoder_weights_hash: str = ""  # SHA-256 of the file that the encoder began with, if any
    initial_weights_hash: str = ""  # of the weights of the model that it began with (train.initial), if any
    weights_hash: str  # SHA-256 of the weights file


def save(model: Model, weights: dict[str, torch.Tensor], model_path: Path, weights_path: Path) -> None:
    """Write weights, then the JSON that names their hash."""
    with atomic.file(weights_path) as part:
        save_file(weights, part)
        digest = lineage.content_hash(part)
    fields = model.model_copy(update={"weights_hash": digest}).model_dump(mode="json")
    atomic.json_file({"schema_version": SCHEMA, **fields}, model_path)  # a reader asks for the schema first


def load(model_path: Path, weights_path: Path) -> tuple[Model, network.Network | VolumeNetwork]:
    """Read a model in evaluation mode. Raises `UserError` where files are missing, damaged or do not belong
    together.
    """
    model = read(model_path)
    try:
        weights = load_file(weights_path)
    except (FileNotFoundError, SafetensorError) as error:
        raise UserError(
            f"{weights_path} cannot be read ({error}); `dvc repro train` or `dvc pull` makes it"
        ) from None
    if lineage.content_hash(weights_path) != model.weights_hash:
        raise UserError(
            f"{weights_path} is not the file that {model_path} describes; run `dvc checkout` or `dvc repro`"
        )
    net = network.build(model, None, len(model.regions), model.mean, model.std)
    net.load_state_dict(weights)
    return model, net.eval()


def read(path: Path) -> Model:
    """Read `model.json`; raises `UserError` where it is missing, damaged or of another schema."""
    try:
        return Model.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; `dvc repro train` makes it") from None
    except ValidationError as error:
        other = next((e["input"] for e in error.errors() if e["loc"] == ("schema_version",)), None)
        if other is not None:
            raise UserError(
                f"{path} has schema {other}, this version reads {SCHEMA}; run `dvc repro train`"
            ) from None
        raise UserError(f"{path} is damaged; run `dvc repro --force train`") from None
