"""Where a slice shows head and where air: by the mean of blocks, whose noise is small. Numpy only."""

import numpy as np

BLOCKS = 64
"""Blocks a side in which head and air are separated: the mean of a block has little of the air's noise."""
TISSUE = 0.5
"""Share of the way to Otsu's threshold (IEEE SMC 9, 1979) from which a block is head: it keeps dark rims."""


def brightness(volume: np.ndarray) -> np.ndarray:
    """Mean of the channels of (..., C) as float32."""
    channels = volume.shape[-1]
    total = volume[..., 0].astype(np.float32)
    for channel in range(1, channels):  # numpy's own mean over an axis of three is four times slower
        total += volume[..., channel]
    return total / np.float32(channels) if channels > 1 else total


def mask(volume: np.ndarray, floor: float, aspect: float = 1.0) -> np.ndarray:
    """Where a slice shows head and not air: (S, H, W, C) -> bool (S, H, W). aspect: height of a pixel over
    its width.

    A block is head if it is brighter than `floor` or has such blocks on all four sides, so dark ventricles
    and sinuses belong to the head. Beyond these blocks, pixels brighter than `floor` in the next block belong
    to it.
    """
    size = block(volume.shape[1], volume.shape[2], aspect)
    cells = blocks(pooled(volume, size), floor)
    return np.stack(
        [
            of_slice(bright(image, floor), inside, rim, size)
            for image, inside, rim in zip(volume, *cells, strict=True)
        ]
    )


def block(height: int, width: int, aspect: float) -> tuple[int, int]:
    """Rows and columns of a block, about as high as wide in mm: `BLOCKS` of a slice's shorter side."""
    side = min(height * aspect, width)  # in widths of a pixel
    return max(1, int(side / aspect) // BLOCKS), max(1, int(side) // BLOCKS)


def pooled(volume: np.ndarray, block: tuple[int, int]) -> np.ndarray:
    """Mean brightness of each block of (S, H, W, C); blocks at the far edges are filled up with the edge's
    pixels.
    """
    slices, height, width, channels = volume.shape
    tall, wide = block
    pooled = np.empty((slices, -(-height // tall), -(-width // wide)), np.float32)
    starts = np.arange(pooled.shape[2]) * wide * channels
    exact = np.uint16 if volume.dtype == np.uint8 else np.float32  # a block has 128 rows at most
    for image, means in zip(volume, pooled, strict=True):
        if height % tall or width % wide:
            image = np.pad(image, ((0, -height % tall), (0, -width % wide), (0, 0)), mode="edge")
        # Rows first, in long runs; summing small squares at once takes numpy ten times as long.
        lines = image.reshape(len(means), tall, -1).sum(axis=1, dtype=exact)
        means[:] = np.add.reduceat(lines, starts, axis=1, dtype=np.float32)
    return pooled / np.float32(tall * wide * channels)


def blocks(pooled: np.ndarray, floor: float) -> tuple[np.ndarray, np.ndarray]:
    """Blocks within the head and blocks beside these, both (S, h, w) bool."""
    bright = pooled > floor
    bright &= _around_each(bright) >= 4  # of nine: a lone bright block is noise
    inside = _reached(bright, 1) & _reached(bright, 2)
    return inside, _around_each(inside) > 0


def of_slice(bright: np.ndarray, inside: np.ndarray, rim: np.ndarray, block: tuple[int, int]) -> np.ndarray:
    """The pixels (H, W) of a slice that are head, by its bright pixels and its blocks."""
    head = bright & _spread(rim, block, bright.shape)
    head |= _spread(inside, block, bright.shape)
    return head


def bright(image: np.ndarray, floor: float) -> np.ndarray:
    """The pixels (H, W) whose brightness is above `floor`."""
    if image.dtype != np.uint8:
        return brightness(image) > floor
    total = image[..., 0].astype(np.uint16)  # whole numbers are added four times as fast
    for channel in range(1, image.shape[2]):
        total += image[..., channel]
    return total > int(floor * image.shape[2])


def _spread(blocks: np.ndarray, block: tuple[int, int], shape: tuple[int, ...]) -> np.ndarray:
    """A value a block (h, w) -> a value a pixel (H, W)."""
    return blocks.repeat(block[1], axis=1).repeat(block[0], axis=0)[: shape[0], : shape[1]]


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


def floor(pooled: np.ndarray) -> float:
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
