"""Measure whether a mask can be the outline of a tumour in this picture; the checks in `labels`,
`registration` and `intensities` judge the numbers.

Whether a mask lies where it belongs is asked of the picture: inside and outside of a tumour's edge differ, in
most slices of a case in the same direction. The edge of a mask that was mirrored, turned or shifted runs
through whatever lies there, and the mask fits better once that is undone.
"""

from typing import Any

import cv2
import numpy as np

from stages.framing import head

SIDE = 64
"""Pixels a side of the reduced picture on which head and fit are measured; the blocks of `transform`."""
RECTANGLE_SIDE = 5
"""Pixels: of 1,220 real outlines 2 are filled rectangles, of one pixel and of 2 x 2."""
MIN_LIT = 0.05
"""Share of head from which brightness is measured."""

TURNS = (
    "flipped upside down",
    "mirrored left to right",
    "turned by 180 degrees",
    "with rows and columns swapped",
    "turned by 90 degrees anticlockwise",
    "turned by 90 degrees clockwise",
    "mirrored along the rising diagonal",
)
_SIDEWAYS = {-1: " left", 0: "", 1: " right"}
_UPDOWN = {-1: " up", 0: "", 1: " down"}
_STEPS = (3, 5)  # of SIDE: 4.7 and 7.8 %
_EIGHT = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if y or x]
_SHIFTS = [(step * y, step * x) for step in _STEPS for y, x in _EIGHT]
MOVES = TURNS + tuple(
    f"moved{_UPDOWN[y]}{_SIDEWAYS[x]} by {100 * step / SIDE:.0f} % of the side"
    for step in _STEPS
    for y, x in _EIGHT
)
"""What might be done to a mask, in the order of `placement`, which begins with the mask as it is."""


def of_slice(image: np.ndarray | None, mask: np.ndarray | None) -> dict[str, Any]:
    """Measure a finite image (H, W, C) and the classes (H, W) of its mask; either may be missing.

    components: parts of the mask that do not touch; smallest_component: pixels of the smallest; rectangle:
    all parts are upright filled rectangles; border: share of the picture's outermost pixels that are mask;
    outside: share of the mask beyond the head; covers: share of the head within the mask; level, contrast:
    mean and standard deviation of the head, of whole numbers as a share of their dtype's range, NaN where
    there is next to no head; placement: (1 + len(MOVES), C) float32, how well the mask fits each channel as
    it is and after each of `MOVES`, None without a mask or where the picture shows no head.
    """
    numbers: dict[str, Any] = {"components": 0, "smallest_component": 0, "rectangle": False, "border": 0.0}
    numbers |= {"outside": 0.0, "covers": 0.0, "level": np.nan, "contrast": np.nan, "placement": None}
    some = None
    if mask is not None and mask.any():
        some = (mask != 0).astype(np.uint8)
        numbers |= _of_shape(some)
    if image is None or (some is not None and some.shape != image.shape[:2]):
        return numbers
    planes = _reduced(image)
    grey = planes.mean(axis=0)
    head = _head(grey)
    if head.mean() >= MIN_LIT:
        full = np.iinfo(image.dtype).max if image.dtype.kind in "iu" else 1
        inside = grey[head]
        numbers |= {"level": float(inside.mean()) / full, "contrast": float(inside.std()) / full}
    if some is not None and head.any():
        cover = cv2.resize(some.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        within = float(cover[head].sum())
        numbers["outside"] = max(0.0, 1 - within / float(cover.sum()))
        numbers["covers"] = within / float(head.sum())
        numbers["placement"] = _fits(_flat(planes, head), cover)
    elif some is not None:
        numbers["outside"] = 1.0
    return numbers


def _of_shape(some: np.ndarray) -> dict[str, Any]:
    left, top, width, height = cv2.boundingRect(some)
    cut = np.ascontiguousarray(some[top : top + height, left : left + width])
    count, _, stats, _ = cv2.connectedComponentsWithStats(cut, connectivity=8)
    sides, area = stats[1:, 2:4].astype(np.int64), stats[1:, 4]
    edges = (some[0], some[-1], some[1:-1, 0], some[1:-1, -1])
    return {
        "components": count - 1,
        "smallest_component": int(area.min()),
        "rectangle": bool((sides.prod(axis=1) == area).all() and sides.min() >= RECTANGLE_SIDE),
        "border": sum(int(np.count_nonzero(edge)) for edge in edges) / sum(edge.size for edge in edges),
    }


def _reduced(image: np.ndarray) -> np.ndarray:
    """(H, W, C) -> (C, SIDE, SIDE) float32."""
    if image.dtype not in (np.uint8, np.uint16, np.int16, np.float32, np.float64):
        image = image.astype(np.float32)  # OpenCV knows no others
    parts = [image] if image.shape[2] <= 4 else np.split(image, image.shape[2], axis=2)  # nor more channels
    small = [
        cv2.resize(np.ascontiguousarray(part), (SIDE, SIDE), interpolation=cv2.INTER_AREA) for part in parts
    ]
    planes = [np.moveaxis(part.reshape(SIDE, SIDE, -1), 2, 0) for part in small]
    return np.ascontiguousarray(np.concatenate(planes, dtype=np.float32))


def _head(grey: np.ndarray) -> np.ndarray:
    """`head.mask` of one reduced slice, half way to Otsu's threshold as there."""
    low, high = float(grey.min()), float(np.partition(grey, -20, axis=None)[-20])  # of 4,096: 99.5 %
    if not high > low:
        return np.zeros(grey.shape, bool)
    levels = np.clip((grey - low) * np.float32(255 / (high - low)), 0, 255).astype(np.uint8)
    otsu, _ = cv2.threshold(levels, 0, 255, cv2.THRESH_OTSU)
    floor = low + head.TISSUE * (otsu + 1) / 255 * (high - low)
    return head.mask(grey[None, :, :, None], floor)[0]


def _flat(planes: np.ndarray, head: np.ndarray) -> np.ndarray:
    """Channels (C, SIDE, SIDE) without edges that are no tumour's: air is as bright as the head's median,
    vessels and fat as its brightest 2 %. A channel that is a copy is 0.
    """
    inside = np.sort(planes[:, head], axis=1)
    low, middle, high = (inside[:, [int(at * (inside.shape[1] - 1))], None] for at in (0.02, 0.5, 0.98))
    flat = (np.clip(planes, low, high) - middle) * head
    scale = np.sqrt((flat**2).sum(axis=(1, 2), keepdims=True) / inside.shape[1])
    flat /= np.where(scale > 0, scale, 1)
    for channel in range(1, len(planes)):
        if any(np.array_equal(planes[channel], planes[other]) for other in range(channel)):
            flat[channel] = 0
    return flat


def _fits(flat: np.ndarray, cover: np.ndarray) -> np.ndarray:
    """How far inside and outside differ along the edge of a mask, in standard deviations of both together."""
    around = np.ones((3, 3), np.uint8)
    inner = cover - cv2.erode(cover, around)
    outer = cv2.dilate(cover, around) - cover
    inner, outer = inner / max(float(inner.sum()), 1e-6), outer / max(float(outer.sum()), 1e-6)
    values = flat.reshape(len(flat), -1)
    both = np.concatenate([values, values**2]).T
    mean_in, mean_out = _moved(inner) @ both, _moved(outer) @ both
    mean, square = np.hsplit((mean_in + mean_out) / 2, 2)
    apart = np.hsplit(mean_in - mean_out, 2)[0]
    # 0.05: an edge in flat tissue must not be divided by nothing.
    return (apart / np.sqrt(np.maximum(square - mean**2, 0) + 0.05)).astype(np.float32)


def _moved(edge: np.ndarray) -> np.ndarray:
    """An edge (SIDE, SIDE) as it is and after each of `MOVES`: (1 + len(MOVES), SIDE * SIDE)."""
    far, turned = max(_STEPS), edge.T
    wide = np.pad(edge, far)
    places = [edge, edge[::-1], edge[:, ::-1], edge[::-1, ::-1]]
    places += [turned, turned[::-1], turned[:, ::-1], turned[::-1, ::-1]]
    places += [wide[far - y : far - y + SIDE, far - x : far - x + SIDE] for y, x in _SHIFTS]
    return np.stack(places).reshape(len(places), -1)
