"""The order in which scans are worth labelling, by one of several strategies. Numpy only.

Chance is the scans' own hashes: an order depends on the scans, and not on the order in which they came.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from stages.predicting.priority import Priority

Strategy = Literal["random", "foreground", "errors", "diverse"]


def order(priorities: Sequence[Priority], strategy: Strategy) -> list[int]:
    """Positions of all scans, those to label first before others.

    Scans without a head come after all that have one, and then scans whose content is that of another: a
    second copy teaches nothing.
    """
    by_hash = sorted(range(len(priorities)), key=lambda place: priorities[place].hash)
    first: dict[str, int] = {}
    for place in by_hash:
        first.setdefault(priorities[place].hash, place)
    heads = [place for place in first.values() if not priorities[place].blank]
    blank = [place for place in first.values() if priorities[place].blank]
    copies = [place for place in by_hash if first[priorities[place].hash] != place]
    ranked = STRATEGIES[strategy]([priorities[place] for place in heads])
    return [heads[number] for number in ranked] + blank + copies


def _by_chance(priorities: Sequence[Priority]) -> list[int]:
    return list(range(len(priorities)))


def _foreground(priorities: Sequence[Priority]) -> list[int]:
    """Those with a mask first: "foreground aware random", here without a look at labels (Lüth et al. 2025,
    nnActive, arXiv 2511.19183).
    """
    return sorted(range(len(priorities)), key=lambda place: priorities[place].volume_ml == 0)


def _errors(priorities: Sequence[Priority]) -> list[int]:
    """The largest expected error first: uncertainty sampling (Lewis and Gale 1994), measured in Dice."""
    return sorted(range(len(priorities)), key=lambda place: -priorities[place].expected_error)


def _diverse(priorities: Sequence[Priority]) -> list[int]:
    """The scan next whose expected error times its distance to the nearest scan before is largest.

    Farthest first, the greedy k-centre of core-sets (Sener and Savarese 2018), with weights as Dyer and
    Frieze (1985) have them for weighted centres.
    """
    if not priorities:
        return []
    points = standardised(priorities)
    errors = np.array([priority.expected_error for priority in priorities])
    nearest = np.full(len(priorities), np.inf)
    left = np.ones(len(priorities), bool)
    ranked = [int(errors.argmax())]
    while True:
        left[ranked[-1]] = False
        if not left.any():
            return ranked
        nearest = np.minimum(nearest, distances(points, points[ranked[-1]]))
        ranked.append(int(np.where(left, errors * nearest, -1.0).argmax()))


def standardised(priorities: Sequence[Priority]) -> np.ndarray:
    """Looks of the scans (n, F), each number with mean 0 and deviation 1 over them; 0 where all are alike."""
    looks = np.stack([priority.looks for priority in priorities])
    in_order = np.sort(looks, axis=0)  # so that sums are the same whatever the order of the scans
    spread = in_order.std(axis=0)
    return (looks - in_order.mean(axis=0)) / np.where(spread > 1e-9, spread, np.inf)


def distances(points: np.ndarray, point: np.ndarray) -> np.ndarray:
    """Of standardised points (n, F) to a point (F,): (n,). 1 is the root mean square of all distances."""
    return np.sqrt(((points - point) ** 2).mean(axis=1) / 2)


def nearest_before(ranked: Sequence[Priority]) -> list[tuple[int, float]]:
    """Of each scan of a ranking but the first, the place, from 0, of the scan before it that looks most like
    it, and how far it is from that: 1 as two scans drawn by chance.
    """
    if len(ranked) < 2:
        return []
    points = standardised(ranked)
    nearest = []
    for place in range(1, len(points)):
        apart = distances(points[:place], points[place])
        nearest.append((int(apart.argmin()), float(apart.min())))
    return nearest


STRATEGIES: dict[Strategy, Callable[[Sequence[Priority]], list[int]]] = {
    "random": _by_chance,
    "foreground": _foreground,
    "errors": _errors,
    "diverse": _diverse,
}
"""Each orders scans that are sorted by their hashes and differ in them."""
DEFAULT: Strategy = "foreground"
"""What a replay of labelling supports (reports/ablation.md, What to label next)."""
