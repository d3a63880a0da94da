"""One scan through a model: prepared as preprocess does, answered slice by slice, mapped back to its grid."""

from dataclasses import dataclass

import numpy as np

from stages.framing import transform
from stages.framing.transform import CaseTransform
from stages.inference.onnx_predictor import Model
from stages.inference.spec import Rule, Spec
from stages.scan.header import Spacing, Unreadable

LEVELS = 200
"""Probabilities are compared as whole two-hundredths, rounded down, as `scoring.decision` does."""
ASSUMED_SPACING_MM = (1.0, 1.0, 1.0)
"""Where a scan does not tell, as in the slice store."""
_TOGETHER = 16
"""Slices on the scan's own grid at a time: the probabilities of a whole volume there would take a GiB."""


@dataclass(frozen=True)
class Segmented:
    """labels (S, H, W) uint8: a class each pixel, 0 for none. confidence: mean probability in the mask of the
    largest region, None where nothing was found. peak: the highest probability of that region anywhere.
    """

    labels: np.ndarray
    confidence: float | None
    peak: float
    blank: bool  # no head was found


def segment(voxels: np.ndarray, spacing_mm: Spacing | None, model: Model) -> Segmented:
    """Segment a scan (S, H, W, C) with the model's channels. Raises `Unreadable` for NaN and infinity."""
    if voxels.dtype.kind == "b":
        voxels = voxels.astype(np.uint8)
    if voxels.dtype.kind == "f" and not np.isfinite(voxels).all():
        raise Unreadable("its pixels are not all numbers (NaN or infinity)")
    fitted, slices = prepared(voxels, model.spec)
    levels = _on_own_grid(model.probabilities(slices), fitted)
    millilitres = float(np.prod(spacing_mm or ASSUMED_SPACING_MM)) / 1000
    labels = label_map(levels, model.spec, millilitres)
    peak = float(_widest(levels, model.spec).max()) / LEVELS
    return Segmented(labels, confidence(levels, labels, model.spec), peak, blank=not slices.any())


def prepared(voxels: np.ndarray, spec: Spec) -> tuple[CaseTransform, np.ndarray]:
    """How the scan got into the model's frame, and its slices there with their neighbours: (S, h, w, C)."""
    fitted, slices = transform.fit_images(voxels, spec.scaling.size, crop=spec.scaling.crop == "brain")
    return fitted, with_neighbours(slices, spec.input.context)


def with_neighbours(slices: np.ndarray, context: int) -> np.ndarray:
    """Each slice (S, h, w, C) with `context` neighbours on both sides as channels, the lowest first.

    The first and the last slice repeat, as `slices.dataset.Neighbours` has it.
    """
    if not context:
        return slices
    at = np.arange(len(slices))[:, None] + np.arange(-context, context + 1)
    stack = slices[np.clip(at, 0, len(slices) - 1)]
    return stack.transpose(0, 2, 3, 1, 4).reshape(*slices.shape[:3], -1)


def _on_own_grid(probabilities: np.ndarray, fitted: CaseTransform) -> np.ndarray:
    """Probabilities (S, h, w, R) -> levels (S, H, W, R) uint8."""
    shape = len(probabilities), fitted.height, fitted.width, probabilities.shape[3]
    levels = np.empty(shape, np.uint8)
    for start in range(0, len(levels), _TOGETHER):
        part = transform.restore(probabilities[start : start + _TOGETHER], fitted)
        # In float64 the product of a float32 is exact; in float32 it would round up across a threshold.
        levels[start : start + _TOGETHER] = np.multiply(part, LEVELS, dtype=np.float64)
    return levels


def confidence(levels: np.ndarray, labels: np.ndarray, spec: Spec) -> float | None:
    """Mean probability of the widest region where there are labels, None where there are none."""
    found = _widest(levels, spec)[labels > 0]
    # Levels are rounded down: half of one is what that takes away on average.
    return min((float(found.mean()) + 0.5) / LEVELS, 1.0) if len(found) else None


def _widest(levels: np.ndarray, spec: Spec) -> np.ndarray:
    return levels[..., list(spec.output.regions).index(order(spec)[0])]


def label_map(levels: np.ndarray, spec: Spec, voxel_ml: float) -> np.ndarray:
    """Regions painted over each other, the widest first, as nnU-Net composes BraTS labels (Isensee, Nature
    Methods 18, 2021): a region gives its pixels the class that its subregions do not have.
    """
    names = order(spec)
    labels = np.zeros(levels.shape[:3], np.uint8)
    for place, name in enumerate(names):
        own = levels[..., list(spec.output.regions).index(name)]
        rest = set(spec.output.regions[name]).difference(
            *(spec.output.regions[smaller] for smaller in names[place + 1 :])
        )
        labels[mask(own, name, spec.decision, voxel_ml)] = min(rest or spec.output.regions[name])
    return labels


def order(spec: Spec) -> list[str]:
    """Regions, the widest first."""
    return sorted(spec.output.regions, key=lambda name: -len(spec.output.regions[name]))


def mask(levels: np.ndarray, region: str, rule: Rule, voxel_ml: float) -> np.ndarray:
    """Mask (S, H, W) of a region from its levels, without components that are too small."""
    above = levels >= round(rule.threshold[region] * LEVELS)
    smallest = rule.smallest_component_ml[region] / voxel_ml
    if smallest <= 1 or not above.any():
        return above
    from scipy import ndimage  # takes a fifth of a second, and most models do without

    numbered, count = ndimage.label(above, structure=np.ones((3, 3, 3)))
    keep = np.bincount(numbered.ravel(), minlength=count + 1) >= smallest
    keep[0] = False
    return keep[numbered]
