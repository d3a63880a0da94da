"""Scale, crop and resize a case into the slice store's frame, and map predictions back. Numpy only.

`preprocess` and `predict` both call this module, so a model never sees a scan prepared in another way than
the scans it was trained on.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

BLOCKS = 64
"""Blocks a side in which head and air are told apart: the mean of a block has little of the air's noise."""
TISSUE = 0.5
"""Share of the way to Otsu's threshold (IEEE SMC 9, 1979) from which a block is head: it keeps dark rims."""
BAND = 16
"""Rows of a resampling matrix multiplied at a time: they share most of the few pixels that they need."""
SAMPLES = 200_000
"""Pixels of a case from which other than 8-bit intensities are measured: percentiles to 0.02 of a per cent.
"""
Z_RANGE = (-4.0, 4.0)
"""Standard deviations that the 255 levels of the store span: 0.03 a level."""

Band = tuple[slice, slice, np.ndarray]
"""Part of a resampling matrix: its rows, its columns, the values there."""


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
    """Mean of the channels of (..., C) as float32."""
    channels = volume.shape[-1]
    total = volume[..., 0].astype(np.float32)
    for channel in range(1, channels):  # numpy's own mean over an axis of three is four times slower
        total += volume[..., channel]
    return total / np.float32(channels) if channels > 1 else total


def fit(volume: np.ndarray, size: int, crop: bool) -> CaseTransform:
    """Measure the transform of a case.

    volume: (S, H, W, C), any numeric dtype, finite. crop: to the head, else the whole image. A case without
    any head (blank, or constant) is left in one piece with unit scale.
    """
    return _measure(volume, size, crop)[0]


def fit_images(volume: np.ndarray, size: int, crop: bool) -> tuple[CaseTransform, np.ndarray]:
    """`fit` and `images` in one: the head is looked for once."""
    transform, heads = _measure(volume, size, crop)
    return transform, _images(volume, transform, heads)


def images(volume: np.ndarray, transform: CaseTransform) -> np.ndarray:
    """(S, H, W, C) in the scan's units -> (S, size, size, C) uint8: 0 is background, 1..255 the `Z_RANGE`."""
    return _images(volume, transform, head_mask(volume, transform.floor))


def _measure(volume: np.ndarray, size: int, crop: bool) -> tuple[CaseTransform, np.ndarray]:
    """The transform, and where the slices show head: (S, H, W) bool."""
    _, height, width, channels = volume.shape
    pooled = _pooled(volume)
    floor = _floor(pooled)
    whole = _square(0, height, 0, width)
    heads = np.empty(volume.shape[:3], bool)
    rows, columns = np.zeros(height, bool), np.zeros(width, bool)
    levels = _Levels(volume.dtype, channels)
    for image, head, inside, rim in zip(volume, heads, *_head_blocks(pooled, floor), strict=True):
        bright = _bright(image, floor)
        head[:] = _head(bright, inside, rim)
        rows |= head.any(axis=1)
        columns |= head.any(axis=0)
        # Every second row and column tells the same statistics in a quarter of the time.
        sparse = np.flatnonzero(head[::2, ::2] & bright[::2, ::2])
        levels.add(image[::2, ::2].reshape(-1, channels).take(sparse, axis=0))
    if not levels.count:
        return CaseTransform((0.0,) * channels, (1.0,) * channels, floor, whole, height, width, size), heads
    mean, std = levels.mean_std()
    box = _around(rows, columns) if crop else whole
    return CaseTransform(mean, std, floor, box, height, width, size), heads


class _Levels:
    """Mean and standard deviation of the head's intensities, clipped to their central 99 % before measuring:
    a few vessels or fat pixels must not set the scale of the brain.
    """

    def __init__(self, dtype: np.dtype, channels: int) -> None:
        self.histogram = np.zeros((channels, 256), np.int64) if dtype == np.uint8 else None
        self.values: list[np.ndarray] = []
        self.count = 0

    def add(self, values: np.ndarray) -> None:
        """values: (N, C)"""
        self.count += len(values)
        if self.histogram is None:
            self.values.append(values.astype(np.float32))
            return
        for channel, counts in enumerate(self.histogram):
            counts += np.bincount(values[:, channel], minlength=256)

    def mean_std(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        if self.histogram is None:
            inside = np.concatenate(self.values)
            inside = inside[:: max(1, len(inside) // SAMPLES)]
            inside = np.clip(inside, *np.percentile(inside, (0.5, 99.5), axis=0))
            mean, std = inside.mean(axis=0, dtype=np.float64), inside.std(axis=0, dtype=np.float64)
        else:
            share = self.histogram.cumsum(axis=1) / self.count
            low, high = (share < 0.005).sum(axis=1), (share < 0.995).sum(axis=1)
            level = np.clip(np.arange(256), low[:, None], high[:, None])
            mean = (self.histogram * level).sum(axis=1) / self.count
            std = np.sqrt((self.histogram * (level - mean[:, None]) ** 2).sum(axis=1) / self.count)
        return tuple(float(m) for m in mean), tuple(float(max(s, 1e-6)) for s in std)


def head_mask(volume: np.ndarray, floor: float) -> np.ndarray:
    """Where a slice shows head and not air: (S, H, W, C) -> bool (S, H, W).

    A block is head if it is brighter than `floor` or has such blocks on all four sides, so dark ventricles
    and sinuses belong to the head. Beyond these blocks, pixels brighter than `floor` in the next block belong
    to it.
    """
    blocks = _head_blocks(_pooled(volume), floor)
    return np.stack(
        [
            _head(_bright(image, floor), inside, rim)
            for image, inside, rim in zip(volume, *blocks, strict=True)
        ]
    )


def _images(volume: np.ndarray, transform: CaseTransform, heads: np.ndarray) -> np.ndarray:
    low, high = Z_RANGE
    step = 254.0 / (high - low)
    gain = (step / np.array(transform.std)).astype(np.float32)
    offset = (1.0 - low * step - np.array(transform.mean) * gain).astype(np.float32)
    down, across = _inside(transform)
    bands = _crop_bands(transform)
    out = np.empty((len(volume), transform.size, transform.size, volume.shape[3]), np.uint8)
    planes = np.empty((volume.shape[3], down.stop - down.start, across.stop - across.start), np.float32)
    # Slice by slice: what one needs stays in the processor's cache.
    for image, head, stored in zip(volume, heads[:, down, across], out, strict=True):
        for channel, plane in enumerate(planes):
            np.multiply(image[down, across, channel], gain[channel], out=plane, casting="unsafe")
            plane += offset[channel]
            np.clip(plane, 1.0, 255.0, out=plane)
            plane *= head
        small = _resample(planes, *bands)
        stored[:] = np.moveaxis(np.rint(small, out=small), 0, 2)
    return out


def labels(masks: np.ndarray, transform: CaseTransform) -> np.ndarray:
    """Label maps (S, H, W) uint8 -> (S, size, size) uint8: a pixel takes the label that covers most of it."""
    down, across = _inside(transform)
    bands = _crop_bands(transform)
    out = np.zeros((len(masks), transform.size, transform.size), dtype=np.uint8)
    for mask, stored in zip(masks[:, down, across], out, strict=True):
        values = [value for value in range(1, int(mask.max(initial=0)) + 1) if (mask == value).any()]
        if not values:
            continue  # most slices
        covers = _resample((mask == np.array(values)[:, None, None]).astype(np.float32), *bands)
        if len(values) == 1:
            stored[covers[0] >= 0.5] = values[0]
            continue
        # What lies beyond the image is background too.
        best = 1 - _resample((mask != 0).astype(np.float32)[None], *bands)[0]
        for value, cover in zip(values, covers, strict=True):
            stored[cover > best] = value
            np.maximum(best, cover, out=best)
    return out


def restore(probabilities: np.ndarray, transform: CaseTransform) -> np.ndarray:
    """Probabilities (S, size, size, R) float32 -> (S, H, W, R) on the scan's own grid; 0 outside the crop."""
    top, left, side = transform.box
    back = _weights(transform.size, side, 0, transform.size)
    rows = _pasted(back, top, transform.height)
    columns = _pasted(back, left, transform.width)
    planes = np.ascontiguousarray(np.moveaxis(probabilities, 3, 1), dtype=np.float32)
    return np.moveaxis(_resample(planes, _bands(rows), _bands(columns)), 1, 3)


def _pooled(volume: np.ndarray) -> np.ndarray:
    """Mean brightness of each block of (S, H, W, C); blocks at the far edges are filled up with the edge's
    pixels.
    """
    slices, height, width, channels = volume.shape
    block = _block(height, width)
    pooled = np.empty((slices, -(-height // block), -(-width // block)), np.float32)
    starts = np.arange(pooled.shape[2]) * block * channels
    exact = np.uint16 if volume.dtype == np.uint8 else np.float32  # a block has 128 rows at most
    for image, means in zip(volume, pooled, strict=True):
        if height % block or width % block:
            image = np.pad(image, ((0, -height % block), (0, -width % block), (0, 0)), mode="edge")
        # Rows first, in long runs; summing small squares at once takes numpy ten times as long.
        lines = image.reshape(len(means), block, -1).sum(axis=1, dtype=exact)
        means[:] = np.add.reduceat(lines, starts, axis=1, dtype=np.float32)
    return pooled / np.float32(block * block * channels)


def _block(height: int, width: int) -> int:
    return max(1, min(height, width) // BLOCKS)


def _head_blocks(pooled: np.ndarray, floor: float) -> tuple[np.ndarray, np.ndarray]:
    """Blocks within the head and blocks beside these, both (S, h, w) bool."""
    bright = pooled > floor
    bright &= _around_each(bright) >= 4  # of nine: a lone bright block is noise
    inside = _reached(bright, 1) & _reached(bright, 2)
    return inside, _around_each(inside) > 0


def _bright(image: np.ndarray, floor: float) -> np.ndarray:
    """The pixels (H, W) whose brightness is above `floor`."""
    if image.dtype != np.uint8:
        return brightness(image) > floor
    total = image[..., 0].astype(np.uint16)  # whole numbers are added four times as fast
    for channel in range(1, image.shape[2]):
        total += image[..., channel]
    return total > int(floor * image.shape[2])


def _head(bright: np.ndarray, inside: np.ndarray, rim: np.ndarray) -> np.ndarray:
    """The pixels (H, W) of a slice that are head, by its bright pixels and its blocks."""
    head = bright & _spread(rim, bright.shape)
    head |= _spread(inside, bright.shape)
    return head


def _spread(blocks: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A value a block (h, w) -> a value a pixel (H, W)."""
    block = _block(*shape)
    return blocks.repeat(block, axis=1).repeat(block, axis=0)[: shape[0], : shape[1]]


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
    if high - low <= 1e-4 * max(abs(low), abs(high)):  # all but constant: nothing to tell apart
        return high
    counts, edges = np.histogram(pooled, bins=256, range=(low, high))
    below = counts.cumsum(dtype=np.float64)
    total = (counts * np.arange(256)).cumsum(dtype=np.float64)
    above = below[-1] - below
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = (total / below - (total[-1] - total) / above) ** 2 * below * above
    return low + TISSUE * (float(edges[np.nanargmax(apart) + 1]) - low)


def _around(rows: np.ndarray, columns: np.ndarray) -> tuple[int, int, int]:
    """The square around the rows and columns that hold head."""
    across, down = np.flatnonzero(columns), np.flatnonzero(rows)
    return _square(int(down[0]), int(down[-1]) + 1, int(across[0]), int(across[-1]) + 1)


def _square(top: int, bottom: int, left: int, right: int) -> tuple[int, int, int]:
    """The square around a rectangle: cropping must not squeeze a head."""
    side = max(bottom - top, right - left)
    return (top + bottom - side) // 2, (left + right - side) // 2, side


def _inside(transform: CaseTransform) -> tuple[slice, slice]:
    """The rows and columns of the scan that lie in the crop."""
    top, left, side = transform.box
    return (
        slice(max(top, 0), min(top + side, transform.height)),
        slice(max(left, 0), min(left + side, transform.width)),
    )


def _crop_bands(transform: CaseTransform) -> tuple[list[Band], list[Band]]:
    """What resamples the part of the scan that lies in the crop: for its rows and for its columns."""
    down, across = _inside(transform)
    top, left, side = transform.box
    return (
        _resampling(down.stop - down.start, transform.size, top - down.start, side),
        _resampling(across.stop - across.start, transform.size, left - across.start, side),
    )


@lru_cache(maxsize=16)
def _resampling(source: int, target: int, start: int, span: int) -> list[Band]:
    return _bands(_weights(source, target, start, span))


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


def _bands(weights: np.ndarray) -> list[Band]:
    """A resampling matrix (target, source) cut into the parts of it that are not all zero."""
    bands = []
    for start in range(0, len(weights), BAND):
        part = weights[start : start + BAND]
        used = np.flatnonzero(part.any(axis=0))
        source = slice(int(used[0]), int(used[-1]) + 1) if len(used) else slice(0, 0)
        bands.append((slice(start, start + len(part)), source, np.ascontiguousarray(part[:, source])))
    return bands


def _resample(planes: np.ndarray, rows: list[Band], columns: list[Band]) -> np.ndarray:
    """(..., H, W) float32 -> (..., h, w), one axis after the other."""
    height, width = rows[-1][0].stop, columns[-1][0].stop
    lines = np.empty((*planes.shape[:-2], height, planes.shape[-1]), np.float32)
    for target, source, weights in rows:
        np.matmul(weights, planes[..., source, :], out=lines[..., target, :])
    out = np.empty((*planes.shape[:-2], height, width), np.float32)
    for target, source, weights in columns:
        out[..., target] = lines[..., source] @ weights.T
    return out
