"""Augmentation policies: Albumentations pipelines that travel as JSON and act as a function of (seed, epoch,
sample).
"""

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import albumentations as A
import cv2
import numpy as np

from stages.augmentation.steps import (
    Affine,
    BiasField,
    CopiedSequence,
    Ghosting,
    HeadBlur,
    MissingSequence,
    ScannerContrast,
)
from stages.core import atomic
from stages.core.errors import UserError
from stages.scan import windows


def _geometry(degrees: float, shift: float, zoom: float, p: float) -> A.BasicTransform:
    return Affine(
        rotate=(-degrees, degrees),
        translate_percent=(-shift, shift),
        scale=(1 - zoom, 1 + zoom),
        keep_ratio=True,
        interpolation=cv2.INTER_LINEAR,
        mask_interpolation=cv2.INTER_NEAREST,
        p=p,
    )


def _copied(sequences: Sequence[str]) -> A.BasicTransform:
    """FLAIR, where there is one, is what sets write over sequences that were not acquired."""
    flair = [place for place, name in enumerate(sequences) if "flair" in name.lower()]
    return CopiedSequence(flair[0] if flair else None, p=0.3)


POLICIES: dict[str, Callable[[Sequence[str]], list[Any]]] = {
    "none": lambda _: [],
    "light": lambda _: [A.HorizontalFlip(p=0.5), _geometry(10, 0.03, 0.05, 0.5)],
    "default": lambda sequences: [
        A.HorizontalFlip(p=0.5),
        _geometry(15, 0.05, 0.1, 0.7),
        ScannerContrast(p=0.5),
        BiasField(0.2, p=0.2),
        _copied(sequences),
    ],
    "strong": lambda sequences: [
        A.HorizontalFlip(p=0.5),
        _geometry(20, 0.07, 0.15, 0.9),
        A.ElasticTransform(alpha=30, sigma=6, p=0.2),
        ScannerContrast(gain=0.3, gamma=0.6, p=0.7),
        BiasField(0.4, p=0.3),
        Ghosting(p=0.1),
        HeadBlur(blur_limit=(3, 5), p=0.15),
        _copied(sequences),
        MissingSequence(p=0.1),
    ],
}
"""Steps of each policy, by the name that `augment.policy` gives it, for sequences of these names.

Copies are made of what the scanner gave, so they come after all that changes sequences on their own.
"""


def build(policy: str, sequences: Sequence[str]) -> A.Compose:
    """The pipeline of one of `POLICIES` for images with these channels."""
    return A.Compose(POLICIES[policy](sequences), seed=0, is_check_shapes=False)


def save(policy: A.Compose, path: Path) -> None:
    """Write a pipeline as JSON, readable with `load`."""
    description = A.to_dict(policy)
    description.pop("__version__", None)
    atomic.json_file(description, path)


def load(path: Path) -> A.Compose:
    """Read a pipeline written by `save`. Raises `UserError` where it is missing or not one."""
    try:
        return A.from_dict({"__version__": A.__version__, **json.loads(path.read_text(encoding="utf-8"))})
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; `dvc repro augment` makes it") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(f"{path} is not an augmentation policy; run `dvc repro --force augment`") from None


def apply(
    policy: A.Compose, window: np.ndarray, mask: np.ndarray, key: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Augment a window (D, H, W, C) and the label map (H, W) of its middle slice, or those of all its slices
    (D, H, W), uint8, with one draw: all slices change alike.

    `key`, e.g. (seed, epoch, sample), alone decides what is drawn: no history, no worker count.
    """
    if not policy.transforms:
        return window, mask
    seeds = np.random.SeedSequence(key)
    # One generator for all steps: `set_random_seed` starts each of them alike, and those that follow one draw
    # would come and go together.
    policy.set_random_state(np.random.default_rng(seeds), random.Random(int(seeds.generate_state(1)[0])))
    depth, height, width, channels = window.shape
    # As one picture of D x C channels, in which OpenCV moves all slices at once.
    image = windows.flat(window[None])[0]
    flat = mask if mask.ndim == 2 else np.ascontiguousarray(np.moveaxis(mask, 0, 2))
    done = policy(image=image, mask=flat, sequences=channels)
    image = done["image"].reshape(height, width, depth, channels)
    labels = done["mask"] if mask.ndim == 2 else np.moveaxis(done["mask"].reshape(height, width, depth), 2, 0)
    return np.moveaxis(image, 2, 0), labels
