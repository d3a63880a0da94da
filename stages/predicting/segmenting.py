"""One scan through a model: prepared as preprocess does, answered by windows, mapped back to its grid."""

from dataclasses import dataclass

import numpy as np

from stages.framing import transform
from stages.framing.transform import CaseTransform
from stages.inference import predictor
from stages.inference.onnx_predictor import Exported
from stages.inference.spec import Spec
from stages.masks import guarantee, label_map, levels
from stages.masks.guarantee import Guarantees
from stages.masks.levels import LEVELS
from stages.population.outlying import Standing
from stages.predicting import standing
from stages.scan import spacing
from stages.scan.header import Unreadable
from stages.scan.spacing import Spacing

_TOGETHER = 16
"""Slices on the scan's own grid at a time: the probabilities of a whole volume there would take a GiB."""


@dataclass(frozen=True)
class Terms:
    """Of what a model promises: coverage, the share of patients for whom it is to hold; outer: whether outer
    masks are asked for.
    """

    coverage: float = guarantee.COVERAGE
    outer: bool = False


@dataclass(frozen=True)
class Segmented:
    """labels (S, H, W) uint8: a class each pixel, 0 for none. confidence: mean probability within the mask,
    None where there is none. peak: the highest probability anywhere. blank: there is no head in the scan.
    standing: how far out it lies among the patients that the model knows, None where that cannot be said.
    outer: as labels, of the outer masks.

    Of a model that promises something, and of a scan that is not far out, as evaluate measured both in the
    model's frame, where levels are less soft than on the scan's grid: expected_dice of the mask, and
    frame_confidence, as confidence.
    """

    labels: np.ndarray
    confidence: float | None
    peak: float
    blank: bool
    standing: Standing | None = None
    expected_dice: float | None = None
    frame_confidence: float | None = None
    outer: np.ndarray | None = None


@dataclass(frozen=True)
class Answer:
    """What a model says of a scan. levels (S, R, H, W) uint8: on its own grid, whose spacing is None where it
    does not tell, of voxels of so many ml. slices (S, h, w, C) uint8 and probabilities (S, R, h, w) float32:
    in the model's frame, into which it was `fitted`, of voxels of so many frame_ml.
    """

    levels: np.ndarray
    spacing: Spacing | None
    voxel_ml: float
    fitted: CaseTransform
    slices: np.ndarray
    probabilities: np.ndarray
    frame_ml: float


def segment(
    voxels: np.ndarray, scan_spacing: Spacing | None, model: Exported, terms: Terms | None = None
) -> Segmented:
    """Segment a scan (S, H, W, C) with the model's channels. Raises `Unreadable` for NaN and infinity."""
    return segmented(answer(voxels, scan_spacing, model), model.spec, terms or Terms())


def segmented(answer: Answer, spec: Spec, terms: Terms | None = None) -> Segmented:
    """The masks that the model's rule makes of an answer. Raises `ValueError` where the model cannot promise
    an outer mask that `terms` ask for.
    """
    regions = spec.output.regions
    labels = label_map.of(answer.levels, regions, spec.decision, answer.voxel_ml)
    peak = float(label_map.highest(answer.levels, regions).max()) / LEVELS
    confidence = label_map.confidence(answer.levels, labels, regions)
    stands = standing.of(answer.slices, answer.fitted, answer.spacing, spec)
    blank = not answer.slices.any()
    void = stands is not None and stands.far_out  # of another kind than the patients who calibrated
    if spec.guarantees is None or spec.guarantees.withheld or void:
        return Segmented(labels, confidence, peak, blank, stands)
    outer = None
    if terms and terms.outer:
        rule, ml = spec.decision, answer.voxel_ml
        outer = guarantee.outer(answer.levels, regions, rule, ml, spec.guarantees, terms.coverage)
    return Segmented(
        labels, confidence, peak, blank, stands, *_in_frame(answer, spec, spec.guarantees), outer
    )


def _in_frame(answer: Answer, spec: Spec, guarantees: Guarantees) -> tuple[float, float | None]:
    """Expected Dice and confidence in the model's frame."""
    regions, rule = spec.output.regions, spec.decision
    own = levels.quantise(answer.probabilities)
    if spec.output.exclusive:
        own = levels.exclusive(own)
    labels = label_map.of(own, regions, rule, answer.frame_ml)
    expected = guarantee.expected(own, regions, rule, answer.frame_ml, guarantees)
    return expected, label_map.confidence(own, labels, regions)


def framed(voxels: np.ndarray, scan_spacing: Spacing | None, spec: Spec) -> tuple[CaseTransform, np.ndarray]:
    """`prepared` of a scan as its file has it, (S, H, W, C). Raises `Unreadable` for NaN and infinity."""
    if voxels.dtype.kind == "b":
        voxels = voxels.astype(np.uint8)
    if voxels.dtype.kind == "f" and not np.isfinite(voxels).all():
        raise Unreadable("its pixels are not all numbers (NaN or infinity)")
    return prepared(voxels, (scan_spacing or spacing.ASSUMED).aspect, spec)


def answer(voxels: np.ndarray, scan_spacing: Spacing | None, model: Exported) -> Answer:
    """What the model says of a scan (S, H, W, C). Raises `Unreadable` for NaN and infinity."""
    fitted, slices = framed(voxels, scan_spacing, model.spec)
    probabilities = answered(slices, scan_spacing.through if scan_spacing else None, model)
    own = _on_own_grid(probabilities, fitted)
    if model.spec.output.exclusive:
        own = levels.exclusive(own)
    mm = scan_spacing or spacing.ASSUMED
    frame_ml = mm.scaled(*fitted.scale).voxel_ml
    return Answer(own, scan_spacing, mm.voxel_ml, fitted, slices, probabilities, frame_ml)


def lacking(spec: Spec, terms: Terms) -> str:
    """Why the model cannot promise what `terms` ask for, "" where it can, and where it was exported before
    models promised anything and no outer mask is asked for.
    """
    if spec.guarantees is None:
        return "the model was exported before models promised anything" if terms.outer else ""
    return spec.guarantees.lacking(terms.coverage, terms.outer)


def remarks(scan_spacing: Spacing | None, model: Exported) -> tuple[str, ...]:
    """What a scan leaves open that the model goes by, as sentences."""
    distances = [part.spec.input.through_mm for part in (model, *model.others)]
    through_mm = next((mm for mm in distances if mm is not None), None)
    if through_mm is None or scan_spacing is not None:
        return ()
    return (
        f"it does not tell how far its slices lie apart, and the model was trained on {through_mm:g} mm; "
        "they are taken as they lie",
    )


def prepared(voxels: np.ndarray, aspect: float, spec: Spec) -> tuple[CaseTransform, np.ndarray]:
    """How the scan got into the model's frame, and its slices there: (S, h, w, C) uint8. aspect: height of a
    pixel over its width.
    """
    return transform.fit_images(voxels, spec.scaling.size, spec.scaling.crop == "brain", aspect)


def answered(slices: np.ndarray, mm: float | None, model: Exported) -> np.ndarray:
    """Slices (S, h, w, C) of a case in the model's frame, so many mm apart -> probabilities (S, R, h, w)
    float32.
    """
    tta = model.spec.decision.tta
    parts = (model, *model.others)
    networks = sum(part.networks for part in parts)

    def share(part: Exported) -> np.ndarray:
        answer = predictor.of_volume(part.predictor, slices, mm, (tta,))[tta]
        return answer * np.float32(part.networks / networks)

    return sum(map(share, parts[1:]), share(model))


def _on_own_grid(probabilities: np.ndarray, fitted: CaseTransform) -> np.ndarray:
    """Probabilities (S, R, h, w) -> levels (S, R, H, W) uint8."""
    shape = *probabilities.shape[:2], fitted.height, fitted.width
    own = np.empty(shape, np.uint8)
    for start in range(0, len(own), _TOGETHER):
        part = transform.restore(np.moveaxis(probabilities[start : start + _TOGETHER], 1, 3), fitted)
        own[start : start + _TOGETHER] = levels.quantise(np.moveaxis(part, 3, 1))
    return own
