"""Our own augmentation steps, as Albumentations takes them.

The store's background is exactly 0 and every step leaves it so: the edge of the head is where a scan differs
least.
"""

from typing import Any

import albumentations as A
import cv2
import numpy as np
from albumentations.augmentations.geometric.functional import center, create_affine_transformation_matrix

NAMESPACE = "brainseg"
"""What the names of our own steps begin with in policy.json: where their code lies decides nothing."""


class _Named:
    """A step whose name in a policy is `NAMESPACE` and its class, wherever the class is defined."""

    @classmethod
    def get_class_fullname(cls) -> str:
        return f"{NAMESPACE}.{cls.__name__}"


class Affine(_Named, A.Affine):
    """The pixels of Albumentations' own, of an image and a label map, in two thirds of the time: no matrix
    for boxes, no test for an identity, no wrapper around OpenCV.
    """

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        shape = params["shape"][:2]
        matrix = create_affine_transformation_matrix(
            self._get_translate_params(shape),
            self._get_shear_params(),
            self._get_scale(self.scale, self.keep_ratio, self.balanced_scale, self.py_random),
            self.py_random.uniform(*self.rotate),
            center(shape),
        )
        return {"matrix": matrix[:2]}

    def apply(self, img: np.ndarray, matrix: np.ndarray, **_: Any) -> np.ndarray:
        if img.shape[-1] == 3:  # OpenCV moves four channels in half the time of three
            four = self._warp(cv2.cvtColor(img, cv2.COLOR_RGB2RGBA), matrix)
            return cv2.cvtColor(four, cv2.COLOR_RGBA2RGB)
        fours = [img[..., first : first + 4] for first in range(0, img.shape[-1], 4)]  # it takes no more
        return np.dstack([self._warp(part, matrix) for part in fours])

    def apply_to_mask(self, mask: np.ndarray, matrix: np.ndarray, **_: Any) -> np.ndarray:
        def moved(labels: np.ndarray) -> np.ndarray:
            return cv2.warpAffine(labels, matrix, labels.shape[1::-1], flags=self.mask_interpolation)

        if mask.ndim == 2:
            return moved(mask)
        return np.dstack([moved(mask[..., first : first + 4]) for first in range(0, mask.shape[-1], 4)])

    def _warp(self, img: np.ndarray, matrix: np.ndarray) -> np.ndarray:
        return cv2.warpAffine(img, matrix, img.shape[1::-1], flags=self.interpolation)


def _sequences(data: dict[str, Any]) -> int:
    """Channels of one slice: the picture of a window, which `apply` makes, has so many for each slice."""
    return data.get("sequences") or data["image"].shape[-1]


class ScannerContrast(_Named, A.ImageOnlyTransform):
    """Gain and gamma drawn for each sequence on its own, as another scanner or protocol would give.

    `gain`: largest relative change of brightness; `gamma`: largest change of log2 of the exponent. uint8
    images with any number of channels; neighbouring slices change alike.
    """

    def __init__(self, gain: float = 0.2, gamma: float = 0.4, p: float = 0.5) -> None:
        super().__init__(p=p)
        self.gain = gain
        self.gamma = gamma

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        sequences = _sequences(data)
        draw = self.random_generator.uniform
        gain = 1 + draw(-self.gain, self.gain, sequences)
        gamma = 2.0 ** draw(-self.gamma, self.gamma, sequences)
        levels = (np.arange(1, 256) / 255.0)[:, None]
        table = np.zeros((256, sequences), dtype=np.uint8)
        table[1:] = np.clip(np.rint(255 * gain * levels**gamma), 1, 255)
        return {"table": np.tile(table, data["image"].shape[-1] // sequences)[None]}

    def apply(self, img: np.ndarray, table: np.ndarray, **_: Any) -> np.ndarray:
        return cv2.LUT(img, table).reshape(img.shape)


class BiasField(_Named, A.ImageOnlyTransform):
    """Smooth multiplicative shading as receive coils cause it. uint8 images.

    `strength`: largest relative change at the field's 4 x 4 nodes; between them the cubic may overshoot.
    """

    def __init__(self, strength: float = 0.3, p: float = 0.5) -> None:
        super().__init__(p=p)
        self.strength = strength

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        height, width = data["image"].shape[:2]
        coarse = self.random_generator.uniform(-1, 1, (4, 4)).astype(np.float32)
        field = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        return {"field": 1 + self.strength * field}

    def apply(self, img: np.ndarray, field: np.ndarray, **_: Any) -> np.ndarray:
        shaded = img * field[..., None]
        return np.clip(shaded, 1, 255, out=shaded).astype(np.uint8) * (img > 0)


class Ghosting(_Named, A.ImageOnlyTransform):
    """Copies of the head at even distances along rows or columns, as motion in time with the acquisition
    leaves them along the phase-encoding axis (Zaitsev et al. 2015, doi:10.1002/jmri.24850). uint8 images.

    `ghosts`: fewest and most, all as bright together as the share drawn up to `intensity`.
    """

    def __init__(self, ghosts: tuple[int, int] = (2, 5), intensity: float = 0.3, p: float = 0.5) -> None:
        super().__init__(p=p)
        self.ghosts = ghosts
        self.intensity = intensity

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        draw = self.random_generator
        return {
            "copies": int(draw.integers(*self.ghosts, endpoint=True)),
            "share": float(draw.uniform(0.1 * self.intensity, self.intensity)),
            "axis": int(draw.integers(2)),
        }

    def apply(self, img: np.ndarray, copies: int, share: float, axis: int, **_: Any) -> np.ndarray:
        away = [round(step * img.shape[axis] / (copies + 1)) for step in range(1, copies + 1)]
        ghosts = sum(np.roll(img, step, axis).astype(np.float32) for step in away) / copies
        return np.where(img > 0, np.clip(img * (1 - share) + ghosts * share, 1, 255), 0).astype(np.uint8)


class HeadBlur(_Named, A.GaussianBlur):
    """Gaussian blur that does not bleed into the background."""

    def apply(self, img: np.ndarray, **params: Any) -> np.ndarray:
        return np.where(img > 0, super().apply(img, **params), 0).astype(np.uint8)


class MissingSequence(_Named, A.ImageOnlyTransform):
    """One sequence blank, as where it was not acquired; an image's only one stays."""

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        sequences = _sequences(data)
        return {"lost": int(self.random_generator.integers(sequences)), "sequences": sequences}

    def apply(self, img: np.ndarray, lost: int, sequences: int, **_: Any) -> np.ndarray:
        if sequences == 1:
            return img
        blank = img.copy()
        blank[..., lost::sequences] = 0
        return blank


class CopiedSequence(_Named, A.ImageOnlyTransform):
    """One sequence written over some or all of the others, as sets do where sequences were not acquired.

    By the LGG set's own account 9 of its 110 patients have FLAIR in place of the post-contrast sequence, and
    6 of these in place of the pre-contrast one too. `kept`: the position of the sequence that stays; None
    draws it.
    """

    def __init__(self, kept: int | None = None, p: float = 0.5) -> None:
        super().__init__(p=p)
        self.kept = kept

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        sequences = _sequences(data)
        order = [int(channel) for channel in self.random_generator.permutation(sequences)]
        kept = order[0] if self.kept is None else self.kept
        others = [channel for channel in order if channel != kept]
        lost = others[: self.random_generator.integers(1, len(others), endpoint=True)] if others else []
        return {"kept": kept, "lost": lost, "sequences": sequences}

    def apply(self, img: np.ndarray, kept: int, lost: list[int], sequences: int, **_: Any) -> np.ndarray:
        copied = img.copy()
        for channel in lost:
            copied[..., channel::sequences] = img[..., kept::sequences]
        return copied
