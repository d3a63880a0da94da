"""Slices that cannot be used are named with their files, in words."""

from pathlib import Path

import numpy as np

from tests.fixtures import scans
from tests.fixtures.flaws import A, B, judged, path, replaced


def test_halves_of_pairs(root: Path) -> None:
    (root / path(A, 2)).unlink()
    (root / path(B, 3, "_mask")).unlink()
    assert judged(root)[2] == [
        ("critical", "image", f"{A}_2", path(A, 2, "_mask"), "there is no image"),
        ("critical", "mask", f"{B}_3", path(B, 3), "there is no mask"),
    ]


def test_damaged_files(root: Path) -> None:
    (root / path(A, 1)).write_bytes(b"no tiff")
    (root / path(A, 2, "_mask")).write_bytes(b"")
    assert judged(root)[2] == [
        (
            "critical",
            "image",
            f"{A}_1",
            path(A, 1),
            "it is not a readable TIFF (not a TIFF file: header=b'no t')",
        ),
        (
            "critical",
            "mask",
            f"{A}_2",
            path(A, 2, "_mask"),
            "it is not a readable TIFF (not a TIFF file: header=b'')",
        ),
    ]


def test_pixels_and_masks_that_cannot_be_right(root: Path) -> None:
    images, _ = scans.volume(4, seed=(0, 0))
    spoilt = images[1].astype(np.float32)
    spoilt[5, 5, 0] = np.nan
    replaced(root, A, 2, spoilt, None)
    replaced(root, A, 3, None, np.zeros((32, 64), np.uint8))
    replaced(root, A, 4, None, np.arange(64 * 64, dtype=np.uint8).reshape(64, 64))
    findings = [
        ("critical", "finite", f"{A}_2", path(A, 2), "it holds NaN or infinite pixels"),
        (
            "critical",
            "mask_size",
            f"{A}_3",
            path(A, 3, "_mask"),
            "the mask is not 64x64 pixels as its image is",
        ),
        (
            "critical",
            "mask_values",
            f"{A}_4",
            path(A, 4, "_mask"),
            "the mask holds other values than 0 and one label (1, or 255, or 65535 in 16 bits)",
        ),
    ]
    assert judged(root)[2] == findings


def test_a_case_whose_images_differ_in_shape(root: Path) -> None:
    images, masks = scans.volume(4, size=48, seed=(0, 0))
    replaced(root, A, 3, images[2], masks[2])
    others = f"of the other slices of case {A} 64"
    assert judged(root)[2] == [
        ("critical", "one_case_one_shape", f"{A}_3", path(A, 3), f"its {what} is 48, {others}")
        for what in ("width", "height")
    ]
