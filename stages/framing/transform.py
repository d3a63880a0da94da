"""Scale, crop and resize a case into the slice store's frame, and map predictions back. Numpy only.

`preprocess` and `predict` both call this module, so a model never sees a scan prepared in another way than
the scans it was trained on.
"""

from dataclasses import dataclass

import numpy as np

from stages.framing import head, resampling
from stages.scan.box import Box

SAMPLES = 200_000
"""Pixels of a case from which other than 8-bit intensities are measured: percentiles to 0.02 of a per cent.
"""
Z_RANGE = (-4.0, 4.0)
"""Standard deviations that the 255 levels of the store span: 0.03 a level."""


@dataclass(frozen=True)
class CaseTransform:
    """How one case got into the store.

    `mean` and `std` hold one number a channel, in the scan's own units, over the case's head; `floor`
    is the intensity (mean of channels) up to which a pixel is background; `box` was resized to `size`; it may
    reach beyond the image, which counts as background there. `height` and `width` are the scan's own;
    `aspect` is the height of its pixels over their width.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    floor: float
    box: Box
    height: int
    width: int
    size: int
    aspect: float = 1.0

    @property
    def scale(self) -> tuple[float, float]:
        """Pixels of the scan per pixel of the store, down and across."""
        return self.box.height / self.size, self.box.width / self.size


def to_channels(volume: np.ndarray, channels: list[int] | None) -> np.ndarray:
    """Select channels of (S, H, W, C) by position; None makes one grey channel, their mean."""
    if channels is None and volume.shape[3] == 1:
        return volume
    if channels is None:
        return head.brightness(volume)[..., None]
    return volume if channels == list(range(volume.shape[3])) else volume[..., channels]


def fit(volume: np.ndarray, size: int, crop: bool, aspect: float = 1.0) -> CaseTransform:
    """Measure the transform of a case.

    volume: (S, H, W, C), any numeric dtype, finite. crop: to the head, else the whole image. aspect: height
    of a pixel over its width. A case without any head (blank, or constant) is left in one piece with unit
    scale.
    """
    return _measure(volume, size, crop, aspect)[0]


def fit_images(
    volume: np.ndarray, size: int, crop: bool, aspect: float = 1.0
) -> tuple[CaseTransform, np.ndarray]:
    """`fit` and `images` in one: the head is looked for once."""
    transform, heads = _measure(volume, size, crop, aspect)
    return transform, _images(volume, transform, heads)


def images(volume: np.ndarray, transform: CaseTransform) -> np.ndarray:
    """(S, H, W, C) in the scan's units -> (S, size, size, C) uint8: 0 is background, 1..255 the `Z_RANGE`."""
    return _images(volume, transform, head.mask(volume, transform.floor, transform.aspect))


def _measure(volume: np.ndarray, size: int, crop: bool, aspect: float) -> tuple[CaseTransform, np.ndarray]:
    """The transform, and where the slices show head: (S, H, W) bool."""
    _, height, width, channels = volume.shape
    block = head.block(height, width, aspect)
    pooled = head.pooled(volume, block)
    floor = head.floor(pooled)
    whole = _square(0, height, 0, width, aspect)
    heads = np.empty(volume.shape[:3], bool)
    rows, columns = np.zeros(height, bool), np.zeros(width, bool)
    levels = _Levels(volume.dtype, channels)
    for image, visible, inside, rim in zip(volume, heads, *head.blocks(pooled, floor), strict=True):
        bright = head.bright(image, floor)
        visible[:] = head.of_slice(bright, inside, rim, block)
        rows |= visible.any(axis=1)
        columns |= visible.any(axis=0)
        # Every second row and column tells the same statistics in a quarter of the time.
        sparse = np.flatnonzero(visible[::2, ::2] & bright[::2, ::2])
        levels.add(image[::2, ::2].reshape(-1, channels).take(sparse, axis=0))
    if not levels.count:
        mean, std, box = (0.0,) * channels, (1.0,) * channels, whole
    else:
        mean, std = levels.mean_std()
        box = _around(rows, columns, aspect) if crop else whole
    return CaseTransform(mean, std, floor, box, height, width, size, aspect), heads


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
    for image, visible, stored in zip(volume, heads[:, down, across], out, strict=True):
        for channel, plane in enumerate(planes):
            np.multiply(image[down, across, channel], gain[channel], out=plane, casting="unsafe")
            plane += offset[channel]
            np.clip(plane, 1.0, 255.0, out=plane)
            plane *= visible
        small = resampling.apply(planes, *bands)
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
        covers = resampling.apply((mask == np.array(values)[:, None, None]).astype(np.float32), *bands)
        # What lies beyond the image is background too.
        labelled = (
            covers if len(values) == 1 else resampling.apply((mask != 0).astype(np.float32)[None], *bands)
        )
        none = 1 - labelled[0]
        stored[:] = resampling.majority(none, covers, values)
    return out


def restore(probabilities: np.ndarray, transform: CaseTransform) -> np.ndarray:
    """Probabilities (S, size, size, R) float32 -> (S, H, W, R) on the scan's own grid; 0 outside the crop."""
    size, box = transform.size, transform.box
    rows = resampling.pasted(resampling.weights(size, box.height, 0, size), box.top, transform.height)
    columns = resampling.pasted(resampling.weights(size, box.width, 0, size), box.left, transform.width)
    planes = np.ascontiguousarray(np.moveaxis(probabilities, 3, 1), dtype=np.float32)
    return np.moveaxis(resampling.apply(planes, resampling.bands(rows), resampling.bands(columns)), 1, 3)


def _around(rows: np.ndarray, columns: np.ndarray, aspect: float) -> Box:
    """The square around the rows and columns that hold head."""
    across, down = np.flatnonzero(columns), np.flatnonzero(rows)
    return _square(int(down[0]), int(down[-1]) + 1, int(across[0]), int(across[-1]) + 1, aspect)


def _square(top: int, bottom: int, left: int, right: int, aspect: float) -> Box:
    """The square in mm around a rectangle: cropping must not squeeze a head."""
    side = max((bottom - top) * aspect, right - left)  # in widths of a pixel
    height, width = max(round(side / aspect), 1), max(round(side), 1)
    return Box((top + bottom - height) // 2, (left + right - width) // 2, height, width)


def _inside(transform: CaseTransform) -> tuple[slice, slice]:
    """The rows and columns of the scan that lie in the crop."""
    box = transform.box
    return (
        slice(max(box.top, 0), min(box.top + box.height, transform.height)),
        slice(max(box.left, 0), min(box.left + box.width, transform.width)),
    )


def _crop_bands(transform: CaseTransform) -> tuple[list[resampling.Band], list[resampling.Band]]:
    """What resamples the part of the scan that lies in the crop: for its rows and for its columns."""
    down, across = _inside(transform)
    box, size = transform.box, transform.size
    return (
        resampling.between(down.stop - down.start, size, box.top - down.start, box.height),
        resampling.between(across.stop - across.start, size, box.left - across.start, box.width),
    )
