"""Scale, crop and resize a case into the slice store's frame, and map predictions back. Numpy only.

`preprocess` and `predict` both call this module, so a model never sees a scan prepared in another way than
the scans it was trained on.
"""

from dataclasses import dataclass

import numpy as np

FOREGROUND = 0.1
"""Share of a case's 99.5th percentile above which a pixel is head and not air; air in MRI is noise around
zero.
"""
SPECK = 0.01
"""Share of a row or column that must be head for the crop to reach there; less is a speck of noise or a
label.
"""
Z_RANGE = (-4.0, 4.0)
"""Standard deviations that the 255 levels of the store span: 0.03 a level."""


@dataclass(frozen=True)
class CaseTransform:
    """How one case got into the store.

    `mean` and `std` hold one number a channel, in the scan's own units, over the case's foreground; `floor`
    is the intensity (mean of channels) up to which a pixel is background; `box` is the square (top, left,
    side) in pixels that was resized to `size`; it may reach beyond the image, which counts as background
    there. `height` and `width` are the scan's own.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    floor: float
    box: tuple[int, int, int]
    height: int
    width: int
    size: int

    @property
    def scale(self) -> float:
        """Pixels of the scan per pixel of the store."""
        return self.box[2] / self.size


def to_channels(volume: np.ndarray, channels: list[int] | None) -> np.ndarray:
    """Select channels of (S, H, W, C) by position; None makes one grey channel, their mean."""
    if channels is None:
        return brightness(volume)[..., None]
    return volume if channels == list(range(volume.shape[3])) else volume[..., channels]


def brightness(volume: np.ndarray) -> np.ndarray:
    """Mean of the channels of (S, H, W, C) as (S, H, W) float32."""
    channels = volume.shape[3]
    total = volume[..., 0].astype(np.float32)
    for channel in range(1, channels):  # numpy's own mean over an axis of three is four times slower
        total += volume[..., channel]
    return total / np.float32(channels)


def fit(volume: np.ndarray, size: int, crop: bool) -> CaseTransform:
    """Measure the transform of a case.

    volume: (S, H, W, C), any numeric dtype, finite. crop: to the head, else the whole image. A case without
    any foreground (blank, or constant) is left in one piece with unit scale.
    """
    _, height, width, channels = volume.shape
    # Every second row and column tells the same statistics in a quarter of the time.
    sparse = volume[:, ::2, ::2]
    grey = brightness(sparse)
    low = float(grey.min())
    floor = low + FOREGROUND * (float(np.percentile(grey, 99.5)) - low)
    head = grey > floor
    if not head.any():
        whole = _square(0, height, 0, width)
        return CaseTransform((0.0,) * channels, (1.0,) * channels, floor, whole, height, width, size)
    inside = sparse[head].astype(np.float32)
    # Clip before measuring: a few vessels or fat pixels must not set the scale of the brain.
    low_high = np.percentile(inside, (0.5, 99.5), axis=0)
    inside = np.clip(inside, low_high[0], low_high[1])
    mean = inside.mean(axis=0, dtype=np.float64)
    std = np.maximum(inside.std(axis=0, dtype=np.float64), 1e-6)
    box = _head_box(head, height, width) if crop else _square(0, height, 0, width)
    return CaseTransform(
        tuple(float(m) for m in mean), tuple(float(s) for s in std), floor, box, height, width, size
    )


def images(volume: np.ndarray, transform: CaseTransform) -> np.ndarray:
    """(S, H, W, C) in the scan's units -> (S, size, size, C) uint8: 0 is background, 1..255 the `Z_RANGE`."""
    head = brightness(volume) > transform.floor
    low, high = Z_RANGE
    step = 254.0 / (high - low)
    gain = (step / np.array(transform.std)).astype(np.float32)
    offset = (1.0 - low * step - np.array(transform.mean) * gain).astype(np.float32)
    levels = np.clip(volume * gain + offset, 1.0, 255.0)
    levels *= head[..., None]
    rows, columns = _matrices(transform)
    return np.clip(np.rint(_resample(levels, rows, columns)), 0, 255).astype(np.uint8)


def labels(masks: np.ndarray, transform: CaseTransform) -> np.ndarray:
    """Label maps (S, H, W) of small integers -> (S, size, size) uint8: a pixel takes the label that covers
    most of it.
    """
    rows, columns = _matrices(transform)
    values = [value for value in np.unique(masks) if value != 0]
    out = np.zeros((masks.shape[0], transform.size, transform.size), dtype=np.uint8)
    best = np.full(out.shape, 0.5, dtype=np.float32)
    if len(values) > 1:
        best = _resample((masks == 0).astype(np.float32)[..., None], rows, columns)[..., 0]
    for value in values:
        cover = _resample((masks == value).astype(np.float32)[..., None], rows, columns)[..., 0]
        wins = cover >= best if len(values) == 1 else cover > best
        out[wins] = value
        best = np.maximum(best, cover)
    return out


def restore(probabilities: np.ndarray, transform: CaseTransform) -> np.ndarray:
    """Probabilities (S, size, size, R) float32 -> (S, H, W, R) on the scan's own grid; 0 outside the crop."""
    top, left, side = transform.box
    back = _weights(transform.size, side, 0, transform.size)
    rows = _pasted(back, top, transform.height)
    columns = _pasted(back, left, transform.width)
    return _resample(probabilities.astype(np.float32), rows, columns)


def _head_box(head: np.ndarray, height: int, width: int) -> tuple[int, int, int]:
    """The square around all head pixels of a case; `head` holds every second row and column of (S, H, W)."""
    in_any_slice = head.any(axis=0)
    rows = 2 * np.flatnonzero(in_any_slice.mean(axis=1) > SPECK)
    columns = 2 * np.flatnonzero(in_any_slice.mean(axis=0) > SPECK)
    if not len(rows) or not len(columns):
        return _square(0, height, 0, width)
    bottom, right = min(int(rows[-1]) + 2, height), min(int(columns[-1]) + 2, width)
    return _square(int(rows[0]), bottom, int(columns[0]), right)


def _square(top: int, bottom: int, left: int, right: int) -> tuple[int, int, int]:
    """The square around a rectangle: cropping must not squeeze a head."""
    side = max(bottom - top, right - left)
    return (top + bottom - side) // 2, (left + right - side) // 2, side


def _matrices(transform: CaseTransform) -> tuple[np.ndarray, np.ndarray]:
    top, left, side = transform.box
    rows = _weights(transform.height, transform.size, top, side)
    columns = _weights(transform.width, transform.size, left, side)
    return rows, columns


def _weights(source: int, target: int, start: int, span: int) -> np.ndarray:
    """(target, source) matrix that resamples pixels [start, start + span) of a line to `target` pixels.

    Shrinking averages the area a target pixel covers, enlarging interpolates linearly; what lies beyond the
    line counts as zero, so a crop may reach over the image's edge.
    """
    scale = span / target
    position = np.arange(source, dtype=np.float64)
    if scale >= 1:
        begin = start + np.arange(target)[:, None] * scale
        overlap = np.minimum(begin + scale, position + 1) - np.maximum(begin, position)
        return (np.clip(overlap, 0, None) / scale).astype(np.float32)
    centre = start + (np.arange(target)[:, None] + 0.5) * scale - 0.5
    # Half a pixel at the crop's own edge has no outer neighbour: it takes the edge pixel.
    centre = np.clip(centre, start, start + span - 1)
    return np.clip(1 - np.abs(position - centre), 0, None).astype(np.float32)


def _pasted(weights: np.ndarray, start: int, length: int) -> np.ndarray:
    """Rows of `weights` placed at `start` of a line of `length`, cut where they stand over."""
    out = np.zeros((length, weights.shape[1]), dtype=np.float32)
    first, last = max(start, 0), min(start + len(weights), length)
    out[first:last] = weights[first - start : last - start]
    return out


def _resample(stack: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """(S, H, W, C) float32 -> (S, len(rows), len(columns), C), one axis after the other."""
    # Planes first: with the channels last numpy multiplies 3-wide matrices without BLAS, 30 times slower.
    planes = np.ascontiguousarray(np.moveaxis(stack, 3, 1))
    return np.moveaxis(rows @ planes @ columns.T, 1, 3)
