"""A new scan held against the patients that a model carries."""

import numpy as np

from stages.framing.transform import CaseTransform
from stages.inference.spec import Spec
from stages.population import catalogue, measures, outlying
from stages.population.measures import Frame
from stages.population.outlying import Standing
from stages.scan.spacing import Spacing


def measured(
    slices: np.ndarray, fitted: CaseTransform, scan_spacing: Spacing | None, confidence: float | None = None
) -> np.ndarray:
    """What `population.measures` says of a scan: slices (S, h, w, C) uint8 in the model's frame, how they got
    there, and the mean probability within the mask, where that is known.
    """
    frame = Frame(fitted.mean, fitted.std, fitted.box, fitted.height, fitted.width, scan_spacing)
    return measures.of(slices, frame, confidence)


def of(
    slices: np.ndarray, fitted: CaseTransform, scan_spacing: Spacing | None, spec: Spec
) -> Standing | None:
    """How far out a scan lies; None where the model carries no patients, or the scan is none to compare."""
    if spec.population is None:
        return None
    listed = catalogue.of(spec.input.channels)
    return outlying.of(spec.population, listed, measured(slices, fitted, scan_spacing))
