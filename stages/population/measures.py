"""The measuring of a scan beside its mask: what `catalogue` lists, in its order.

All of it comes of the scan in the model's frame and of how it got there, so that export, which has the slice
store, and predict, which has the scan, measure the same numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from stages.scan.box import Box
from stages.scan.spacing import Spacing

SLICES = 8
"""Slices of a scan that are looked at, spread over those with head: more change no measure much."""
DIGITS = 5
"""Significant digits of a measure."""
LEAST_HEAD = 0.05
"""Share of the head's largest section from which a slice counts as one with head."""
LEAST_PIXELS = 64
"""Pixels that a statistic needs."""
APART = 4
"""Pixels across which sharpness compares."""


@dataclass(frozen=True)
class Frame:
    """How a scan got into the model's frame. mean, std: of each channel, in the scan's units, over its head;
    box: the part of the scan that was resized to the frame, in pixels; height, width: of its slices; spacing:
    of its voxels, None where it does not tell.
    """

    mean: Sequence[float]
    std: Sequence[float]
    box: Box
    height: int
    width: int
    spacing: Spacing | None


def of(slices: np.ndarray, frame: Frame, confidence: float | None = None) -> np.ndarray:
    """Measure a scan by its slices (S, h, w, C) uint8 in the model's frame, where 0 is background: (M,)
    float64 in the order of `catalogue.of`, rounded to `DIGITS`; NaN for what is not known. confidence: mean
    probability within the model's mask, None where there is none.
    """
    channels = slices.shape[3]
    # Background is 0 in all channels; the one that shows most of the head tells its area in little time.
    areas = np.array([max(np.count_nonzero(image[..., c]) for c in range(channels)) for image in slices])
    most = int(areas.max(initial=0))
    with_head = np.flatnonzero(areas >= max(LEAST_HEAD * most, 1))
    picked = with_head[_spread(len(with_head), SLICES)]
    values = np.full(5 * channels + channels * (channels - 1) // 2, np.nan)
    if most >= LEAST_PIXELS:
        looks = [_Look() for _ in range(channels)]
        for image in slices[picked]:  # one by one: what a slice needs stays in the processor's cache
            _add(image, looks)
        each = [
            (mean, std / abs(mean) if mean else np.nan, *look.numbers())
            for mean, std, look in zip(frame.mean, frame.std, looks, strict=True)
        ]
        values = np.concatenate([np.ravel(each), _likenesses(slices[picked])])
    geometry = _geometry(len(with_head), most / slices[0, ..., 0].size, frame)
    sure = np.nan if confidence is None else confidence
    return _rounded(np.array([*values, *geometry, sure], np.float64))


def _spread(count: int, most: int) -> np.ndarray:
    """At most so many positions, evenly spread: the middles of equal parts."""
    if count <= most:
        return np.arange(count)
    return ((np.arange(most) + 0.5) * count / most).astype(int)


class _Look:
    """Sums over the slices of a channel, from which come its noise, sharpness and skewness."""

    def __init__(self) -> None:
        self.answer = self.answered = 0
        """Of the mask for noise: sum of the absolute answers, and of how many pixels."""
        self.squares = [0.0, 0.0]
        """Of the differences of pixels in a row, next to each other and `APART`."""
        self.pairs = [0, 0]
        self.counts = np.zeros(256, np.int64)

    def numbers(self) -> tuple[float, float, float]:
        """Noise in levels of the store, sharpness, skewness.

        Noise: the standard deviation that Immerkaer estimates from the answer to a mask that flat and
        slanting areas do not answer to (1996, doi:10.1006/cviu.1996.0060); edges that they hold add to it.
        Sharpness: root mean square of the differences of neighbours over that of pixels `APART`; small where
        it was smoothed. Skewness: the third moment over the deviation's cube.
        """
        noise = sharpness = skewness = np.nan
        if self.answered >= LEAST_PIXELS:
            noise = np.sqrt(np.pi / 2) * self.answer / (6 * self.answered)
        if min(self.pairs) and self.squares[1] > 0:
            near, far = (total / count for total, count in zip(self.squares, self.pairs, strict=True))
            sharpness = np.sqrt(near / far)
        share = self.counts / max(self.counts.sum(), 1)
        centred = np.arange(256.0) - share @ np.arange(256.0)
        deviation = np.sqrt(share @ centred**2)
        if deviation > 0:
            skewness = float(share @ centred**3 / deviation**3)
        return noise, sharpness, skewness


def _add(image: np.ndarray, looks: Sequence[_Look]) -> None:
    """Add a slice (h, w, C) uint8 to the sums of its channels."""
    planes = [np.ascontiguousarray(image[..., channel]) for channel in range(image.shape[2])]
    head = np.logical_or.reduce(planes)
    rows = head[:-2] & head[1:-1] & head[2:]
    inner = rows[:, :-2] & rows[:, 1:-1] & rows[:, 2:]
    answered = int(np.count_nonzero(inner))
    pairs = [head[:, :-apart] & head[:, apart:] for apart in (1, APART)]
    for plane, look in zip(planes, looks, strict=True):
        wide = plane.astype(np.int16)
        bent = wide[:-2] - 2 * wide[1:-1] + wide[2:]
        answer = bent[:, :-2] - 2 * bent[:, 1:-1] + bent[:, 2:]
        answer *= inner
        look.answer += int(np.abs(answer, out=answer).sum(dtype=np.int64))
        look.answered += answered
        for place, (apart, both) in enumerate(zip((1, APART), pairs, strict=True)):
            step = np.multiply(wide[:, apart:] - wide[:, :-apart], both, dtype=np.float64).ravel()
            look.squares[place] += float(step @ step)  # whole numbers: no order of adding matters
            look.pairs[place] += int(np.count_nonzero(both))
        look.counts += np.bincount(plane[head], minlength=256)


def _likenesses(chosen: np.ndarray) -> list[float]:
    """Correlation of each pair of channels of (S, h, w, C) where there is head, of every second row and
    column.
    """
    if chosen.shape[3] == 1:
        return []
    sparse = chosen[:, ::2, ::2].reshape(-1, chosen.shape[3])
    values = sparse[sparse.any(axis=1)].astype(np.float64)
    values -= values.mean(axis=0)
    products = values.T @ values
    scale = np.sqrt(np.diag(products))
    pairs = combinations(range(chosen.shape[3]), 2)
    return [
        float(products[a, b] / (scale[a] * scale[b])) if scale[a] * scale[b] > 0 else np.nan for a, b in pairs
    ]


def _geometry(slices: int, share: float, frame: Frame) -> tuple[float, ...]:
    """Of a scan with head in so many slices: validate leaves out those above and below it. share: of the
    model's frame that is head in the largest section.
    """
    box, mm = frame.box, frame.spacing
    head = share * box.height * box.width
    matrix, part = float(max(frame.height, frame.width)), head / (frame.height * frame.width)
    if mm is None:
        return np.nan, np.nan, np.nan, np.nan, matrix, part, float(slices)
    field = max(frame.height * mm.down, frame.width * mm.across)
    diameter = 2 * np.sqrt(head * mm.down * mm.across / np.pi)
    through = mm.through if slices > 1 else np.nan  # of one slice it says nothing
    return through, max(mm.down, mm.across), field, diameter or np.nan, matrix, part, float(slices)


def _rounded(values: np.ndarray) -> np.ndarray:
    return np.array([float(f"{value:.{DIGITS}g}") for value in values])
