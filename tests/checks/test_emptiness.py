"""Slices and cases that show little are worth knowing, and so is a channel that is a copy."""

from pathlib import Path

import numpy as np

from tests.fixtures import scans
from tests.fixtures.flaws import A, B, judged, path, replaced


def test_what_is_worth_knowing(root: Path) -> None:
    images, masks = scans.volume(4, seed=(0, 0))
    for k in range(4):
        images[k, ..., 2] = images[k, ..., 1]
        replaced(root, A, k + 1, images[k], np.zeros_like(masks[k]))
    replaced(root, B, 4, np.full((64, 64, 3), 3, np.uint8), np.zeros((64, 64), np.uint8))
    assert judged(root)[2] == [
        ("info", "blank", f"{B}_4", path(B, 4), "the slice shows next to nothing"),
        (
            "warning",
            "copied_channels",
            f"{A}_1",
            path(A, 1),
            f"two channels of case {A} are the same picture: a sequence is missing",
        ),
        ("info", "no_tumour", f"{A}_1", path(A, 1, "_mask"), f"no slice of case {A} has tumour"),
    ]
