"""Scale, crop and resize a case into the slice store's frame, and map predictions back. Numpy only.

`preprocess` and `predict` both call this module, so a model never sees a scan prepared in another way than
the scans it was trained on.
"""

from dataclasses import dataclass

import numpy as np

BLOCKS = 64
"""Blocks a side in which head and air are told apart: the mean of a block has little of the air's noise."""
TISSUE = 0.5
"""Share of the way to Otsu's threshold (IEEE SMC 9, 1979) from which a block is head: it keeps dark rims."""
Z_RANGE = (-4.0, 4.0)
"""Standard deviations that the 255 levels of the store span: 0.03 a level."""


@dataclass(frozen=True)
class CaseTransform:
    """How one case got into the store.

    `mean` and `std` hold one number a channel, in the scan's own units, over the case's head; `floor`
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
    any head (blank, or constant) is left in one piece with unit scale.
    """
    _, height, width, channels = volume.shape
    grey = brightness(volume)
    floor = _floor(_pooled(grey))
    head = head_mask(grey, floor)
    # Every second row and column tells the same statistics in a quarter of the time.
    sparse = head[:, ::2, ::2] & (grey[:, ::2, ::2] > floor)
    if not sparse.any():
        whole = _square(0, height, 0, width)
        return CaseTransform((0.0,) * channels, (1.0,) * channels, floor, whole, height, width, size)
    inside = volume[:, ::2, ::2][sparse].astype(np.float32)
    # Clip before measuring: a few vessels or fat pixels must not set the scale of the brain.
    low_high = np.percentile(inside, (0.5, 99.5), axis=0)
    inside = np.clip(inside, low_high[0], low_high[1])
    mean = inside.mean(axis=0, dtype=np.float64)
    std = np.maximum(inside.std(axis=0, dtype=np.float64), 1e-6)
    box = _around(head) if crop else _square(0, height, 0, width)
    return CaseTransform(
        tuple(float(m) for m in mean), tuple(float(s) for s in std), floor, box, height, width, size
    )


def head_mask(grey: np.ndarray, floor: float) -> np.ndarray:
    """Where a slice shows head and not air: brightness (S, H, W) -> bool (S, H, W).

    A block is head if it is brighter than `floor` or has such blocks on all four sides, so dark ventricles
    and sinuses belong to the head. Beyond these blocks, pixels brighter than `floor` in the next block belong
    to it.
    """
    bright = _pooled(grey) > floor
    bright &= _around_each(bright) >= 4  # of nine: a lone bright block is noise
    inside = _reached(bright, 1) & _reached(bright, 2)
    return _spread(inside, grey) | (_spread(_around_each(inside) > 0, grey) & (grey > floor))


def images(volume: np.ndarray, transform: CaseTransform) -> np.ndarray:
    """(S, H, W, C) in the scan's units -> (S, size, size, C) uint8: 0 is background, 1..255 the `Z_RANGE`."""
    head = head_mask(brightness(volume), transform.floor)
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
        # What lies beyond the image is background too.
        best = 1 - _resample((masks != 0).astype(np.float32)[..., None], rows, columns)[..., 0]
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


def _block(grey: np.ndarray) -> int:
    return max(1, min(grey.shape[1:]) // BLOCKS)


def _pooled(grey: np.ndarray) -> np.ndarray:
    """Mean of each block of (S, H, W); blocks at the far edges are filled up with the edge's own pixels."""
    block = _block(grey)
    if block == 1:
        return grey
    slices, height, width = grey.shape
    grey = np.pad(grey, ((0, 0), (0, -height % block), (0, -width % block)), mode="edge")
    return grey.reshape(slices, grey.shape[1] // block, block, grey.shape[2] // block, block).mean(
        axis=(2, 4)
    )


def _spread(blocks: np.ndarray, grey: np.ndarray) -> np.ndarray:
    """A value a block -> a value a pixel of `grey`."""
    block = _block(grey)
    return blocks.repeat(block, axis=1).repeat(block, axis=2)[:, : grey.shape[1], : grey.shape[2]]


def _reached(bright: np.ndarray, axis: int) -> np.ndarray:
    """Blocks with a bright block, or being one, on both sides along an axis."""
    before = np.logical_or.accumulate(bright, axis=axis)
    after = np.flip(np.logical_or.accumulate(np.flip(bright, axis), axis=axis), axis)
    return before & after


def _around_each(mask: np.ndarray) -> np.ndarray:
    """How many of a block and its eight neighbours are set; (S, h, w) bool -> uint8."""
    padded = np.pad(mask, ((0, 0), (1, 1), (1, 1))).astype(np.uint8)
    rows = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    return rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]


def _floor(pooled: np.ndarray) -> float:
    """Half way from the darkest block to Otsu's threshold between air and tissue."""
    low, high = float(pooled.min()), float(np.percentile(pooled, 99.5))
    if high <= low:
        return high
    counts, edges = np.histogram(pooled, bins=256, range=(low, high))
    below = counts.cumsum(dtype=np.float64)
    total = (counts * np.arange(256)).cumsum(dtype=np.float64)
    above = below[-1] - below
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = (total / below - (total[-1] - total) / above) ** 2 * below * above
    return low + TISSUE * (float(edges[np.nanargmax(apart) + 1]) - low)


def _around(head: np.ndarray) -> tuple[int, int, int]:
    """The square around the head pixels of all slices (S, H, W)."""
    rows, columns = np.flatnonzero(head.any(axis=(0, 2))), np.flatnonzero(head.any(axis=(0, 1)))
    return _square(int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1)


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
