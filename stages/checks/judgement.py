"""Find labels and images that are not what they seem: boxes sold as outlines, masks beside the tumour, a
patient in other units. `audit` measures, this judges a whole set.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from stages.checks import audit

OUTSIDE = 0.5
"""Share of a mask beyond the head. Of 1,418 real ones the most is 0.38, on the rim of a BRATS brain."""
BORDER = 0.05
"""Share of a picture's outermost pixels; the most is 0.017, in pictures cut off close to the head."""
COVERED = 0.7
"""Share of the head; the most is 0.44, near the top of a BRATS head."""
SPECK = 1
"""Pixels: five of 391 masks drawn by hand have such a part, and none has one between that and 7 pixels."""
HALF = 0.5
"""Share of the picture; the most is 0.21, so that a mask turned inside out has at least 0.79."""
BETTER = 0.15
"""By how much masks must fit better elsewhere, in standard deviations. None of 61 cases of LGG, BRATS and the
sample comes nearer than -0.09; moved up or sideways by 4 % of the side, mirrored or turned, 60 exceed it.
"""
MIN_SLICES = 4
"""Slices of a case that must show tumour: runs of four or six LGG slices reach 0.14, of two 0.49."""
MIN_PICTURES = 10
"""Pictures of one slice that must be judged together: 2,000 draws of 10 out of figshare stay below -0.06."""
MIN_PATIENTS = 8
"""Patients that tell what is usual."""
OUTLIER = 3.5
"""Robust z-score (Iglewicz and Hoaglin, How to Detect and Handle Outliers, 1993). LGG's largest is 3.2."""
SPREAD = 0.1
"""Standard deviation of patients at the least, as a share: LGG has 0.21 in brightness, 0.14 in contrast."""
BOX_DICE = 0.58
"""Dice of a perfect outline against its box, mean of the 69 tumours that coco and figshare both hold."""

Finding = tuple[Any, ...]
"""Severity, check, sample_id, file, explanation: a row of the table of findings."""


def judge(rows: pd.DataFrame) -> Iterator[Finding]:
    """Findings on rows of manifest and measurements, in any order; of a case's slices the worst is told."""
    rows = rows.sort_values("sample_id", kind="stable")
    drawn = rows[rows["components"] > 0]
    area = drawn["width"] * drawn["height"]
    share = drawn["mask_pixels"] / area.where(area > 0)  # unknown without an image
    full = (drawn["covers"] > COVERED) | (share > HALF)
    boxes = (drawn["rectangle"] | (drawn["label_kind"] == "box")) & ~full
    yield from _rectangles(drawn, boxes)
    yield from _marks(drawn, full)
    yield from _misregistered(drawn[~boxes & drawn["placement"].notna()])
    yield from _outliers(rows[rows["level"].notna()])


def _rectangles(drawn: pd.DataFrame, boxes: pd.Series) -> Iterator[Finding]:
    if boxes.mean() > 0.5:
        text = f"{boxes.sum()} of {len(drawn)} labels are upright rectangles: boxes, not outlines; a perfect "
        text += f"outline of the tumour would reach a Dice of about {BOX_DICE:g} with them"
        first = drawn[boxes].iloc[0]
        yield "warning", "rectangle_labels", first["sample_id"], first["mask"], text
        return
    yield from _by_case(
        drawn[boxes],
        "warning",
        "rectangle_labels",
        "mask_pixels",
        lambda row: f"the mask is an upright rectangle of {row['mask_pixels']} pixels, in a set of outlines",
    )


def _marks(drawn: pd.DataFrame, full: pd.Series) -> Iterator[Finding]:
    slices = drawn.groupby("case_id")["sample_id"].transform("size")
    tests: list[tuple[str, str, pd.Series, str, Callable[[Any], str]]] = [
        (
            "warning",
            "outside_head",
            (drawn["outside"] > OUTSIDE) & ~full,
            "outside",
            lambda row: f"{100 * row['outside']:.0f} % of the mask lies outside the head",
        ),
        (
            "warning",
            "follows_border",
            drawn["border"] > BORDER,
            "border",
            lambda row: f"the mask takes {100 * row['border']:.0f} % of the picture's border",
        ),
        (
            "warning",
            "full_mask",
            full,
            "covers",
            lambda row: (
                f"the mask covers {100 * row['covers']:.0f} % of the head ({row['mask_pixels']} pixels)"
            ),
        ),
        (
            "info",
            "speck",
            (drawn["smallest_component"] == SPECK) & ((drawn["components"] > 1) | (slices == 1)),
            "components",
            lambda row: f"a part of the mask is a single pixel, one of {row['components']} parts",
        ),
    ]
    for severity, check, flagged, worst, tell in tests:
        yield from _by_case(drawn[flagged], severity, check, worst, tell)


def _by_case(
    flagged: pd.DataFrame, severity: str, check: str, worst: str, tell: Callable[[Any], str]
) -> Iterator[Finding]:
    """One finding a case, on the slice with the highest value in the column `worst`."""
    for case_id, case in flagged.groupby("case_id"):
        row = case[case[worst] == case[worst].max()].iloc[0]
        more = f"; {len(case)} slices of case {case_id} are like this" if len(case) > 1 else ""
        yield severity, check, row["sample_id"], row["mask"], tell(row) + more


def _misregistered(drawn: pd.DataFrame) -> Iterator[Finding]:
    """Masks that fit their pictures better elsewhere: case by case, and small cases together."""
    cases = [(str(case_id), case) for case_id, case in drawn.groupby("case_id")]
    large = {case_id: case for case_id, case in cases if len(case) >= MIN_SLICES}
    # Mean before amount: what differs in another direction in every slice cancels out.
    fits = {
        case_id: np.sqrt((_placements(case).mean(axis=0) ** 2).sum(axis=1)) for case_id, case in large.items()
    }
    wrong = {case_id: _best(one) for case_id, one in fits.items() if one[_best(one)] - one[0] > BETTER}
    if len(large) >= MIN_SLICES and wrong:
        usual = max(sorted(set(wrong.values())), key=list(wrong.values()).count)
        alike = [case_id for case_id, one in fits.items() if one[usual] - one[0] > BETTER]
        if len(alike) > 0.5 * len(large):
            first, move = large[alike[0]].iloc[0], audit.MOVES[usual - 1]
            text = f"the masks of {len(alike)} of {len(large)} cases fit their pictures better {move}"
            yield "warning", "misregistered", first["sample_id"], first["mask"], text
            wrong = {case_id: best for case_id, best in wrong.items() if case_id not in alike}
    for case_id, best in wrong.items():
        case = large[case_id]
        row = case[case["mask_pixels"] == case["mask_pixels"].max()].iloc[0]
        text = (
            f"the {len(case)} masks of case {case_id} fit their pictures better {_told(fits[case_id], best)}"
        )
        yield "warning", "misregistered", row["sample_id"], row["mask"], text
    few = drawn[~drawn["case_id"].isin(list(large))]
    if len(few) >= MIN_PICTURES:
        # Each picture shows another tumour, brighter or darker than what is around it.
        each = [np.sqrt((one.astype(np.float64) ** 2).sum(axis=1)) for one in few["placement"]]
        mean = np.mean(each, axis=0)
        if mean[_best(mean)] - mean[0] > BETTER:
            text = f"the masks of {len(few)} pictures fit them better {_told(mean, _best(mean))}"
            yield "warning", "misregistered", few.iloc[0]["sample_id"], few.iloc[0]["mask"], text


def _best(fits: np.ndarray) -> int:
    """Which of the moves fits best; fits: (1 + len(MOVES),), of the masks as they are first."""
    return int(fits[1:].argmax()) + 1


def _told(fits: np.ndarray, best: int) -> str:
    return f"{audit.MOVES[best - 1]} (contrast along their edge {fits[best]:.2f}, as they are {fits[0]:.2f})"


def _placements(case: pd.DataFrame) -> np.ndarray:
    """(slices, 1 + len(MOVES), C), of the slices that have as many channels as the first."""
    shape = case["placement"].iloc[0].shape
    return np.stack([one for one in case["placement"] if one.shape == shape]).astype(np.float64)


def _outliers(lit: pd.DataFrame) -> Iterator[Finding]:
    """Patients brighter, darker or of other contrast than most; single pictures vary with what they show."""
    many = lit[lit.groupby("patient_id")["sample_id"].transform("size") >= MIN_SLICES]
    patients = many.groupby("patient_id")[["level", "contrast"]].median()
    if len(patients) < MIN_PATIENTS:
        return
    unit = float(patients["contrast"].median())
    scores = patients.apply(_robust_z, args=(unit,))
    for patient, score in scores[(scores.abs() > OUTLIER).any(axis=1)].iterrows():
        what = str(score.abs().idxmax())
        theirs = many[many["patient_id"] == patient]
        own, usual = float(theirs[what].median()), float(patients[what].median())
        name = {"level": "mean brightness", "contrast": "contrast"}[what]
        text = f"the {name} of patient {patient}'s head is {own:.3g}, of the median patient's {usual:.3g} "
        text += f"(robust z {score[what]:.1f}, usual is up to {OUTLIER:g})"
        off = (theirs[what] - own).abs()
        row = theirs[off == off.min()].iloc[0]
        yield "warning", "intensity_outlier", row["sample_id"], row["image"], text


def _robust_z(values: pd.Series, unit: float) -> pd.Series:
    """Distance from the median in robust standard deviations: of logarithms, for scanners multiply; where
    some values are negative, as z-scored ones are, of these in `unit`s.
    """
    values = np.log(values) if (values > 0).all() else values / unit
    off = values - values.median()
    return off / max(float(off.abs().median()) / 0.6745, SPREAD)
