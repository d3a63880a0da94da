"""How a U-shaped network goes down over a window whose voxels are no cubes."""

from typing import NamedTuple

Axes = tuple[int, int, int]
"""A number for slices, rows and columns."""
ALIKE = 2.0
"""Spacings that differ by less count as alike, as in nnU-Net."""
SMALLEST = 4
"""Voxels a side that remain at the bottom."""


class Step(NamedTuple):
    """A level of the network: kernel of its convolutions, and by what it is smaller than the one above."""

    kernel: Axes
    stride: Axes


def steps(window: Axes, spacing: tuple[float, float, float]) -> list[Step]:
    """The levels of a network for windows of so many voxels, which are so many mm apart.

    As nnU-Net plans it (Isensee et al. 2021, doi:10.1038/s41592-020-01008-z): an axis is halved while its
    voxels are not longer than twice the shortest and enough remain; a kernel is 1 along an axis whose voxels
    are longer, and 3 from then on. Sides are halved while they are even, so that every window fits.
    """
    mm, sides = list(spacing), list(window)
    stride: Axes = (1, 1, 1)
    levels = []
    kernel = [1, 1, 1]
    while True:
        kernel = [3 if old == 3 or own / min(mm) < ALIKE else 1 for old, own in zip(kernel, mm, strict=True)]
        levels.append(Step((kernel[0], kernel[1], kernel[2]), stride))
        roomy = [axis for axis in range(3) if sides[axis] >= 2 * SMALLEST and sides[axis] % 2 == 0]
        if not roomy:
            return levels
        shortest = min(mm[axis] for axis in roomy)
        halved = [axis for axis in roomy if mm[axis] / shortest < ALIKE]
        for axis in halved:
            mm[axis] *= 2
            sides[axis] //= 2
        a, b, c = (2 if axis in halved else 1 for axis in range(3))
        stride = (a, b, c)
