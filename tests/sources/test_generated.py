"""Nobody needs anybody's scans to try a source or a format: each has a maker in tests/fixtures."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile

from stages.formats import formats, suffixes
from stages.formats.reader import Reader
from stages.sources import sources
from tests.fixtures import coco, corrections, layouts, pictures, scans, volumes


def write_coco(root: Path) -> None:
    """Two pictures with an outline each, in the part for training."""
    images = [coco.image(number, f"{number}.png") for number in (1, 2)]
    drawn = [coco.annotation([coco.TRIANGLE], number, number, category_id=1) for number in (1, 2)]
    coco.write_set(root / "train", images, drawn, categories=["tumor"])


def generated(root: Path) -> None:
    generate = sources.SOURCES["sample"].generate
    assert generate is not None
    generate(root, 1, 0)


MAKERS: dict[str, Callable[[Path], Any]] = {
    "sample": generated,
    "lgg": scans.write_lgg,
    "coco": write_coco,
    "pairs": pictures.write_pairs,
    "brats": volumes.write_brats,
    "nnunet": layouts.write_nnunet,
    "nifti": lambda root: layouts.write_bids(root, subjects=1, sessions=1),
    "corrections": corrections.small,
}


@pytest.mark.parametrize("source", sources.SOURCES)
def test_every_source_reads_what_its_maker_made(source: str, tmp_path: Path) -> None:
    MAKERS[source](tmp_path)
    records = layouts.holding(source, tmp_path).records
    assert records
    reader, labelled = Reader(tmp_path), 0
    for record in records:
        image = reader.image(record.image, record.slice, record.modalities)
        mask = reader.mask(record.mask, record.slice)
        assert image.shape[:2] == mask.shape[:2] == (record.height, record.width)
        labelled += bool(np.any(mask))
    assert labelled


def write(path: Path, pixels: np.ndarray) -> None:
    """Pixels (H, W) uint8 in the format that the suffix tells."""
    suffix = suffixes.suffix_of(path.name)
    if suffix in suffixes.TIFF:
        tifffile.imwrite(path, pixels)
    elif suffix in suffixes.RASTER:
        assert cv2.imwrite(str(path), pixels)
    else:
        volumes.save(path, pixels[None])


@pytest.mark.parametrize("suffix", formats.FORMATS)
def test_every_format_that_training_reads_is_read_from_a_file_made_here(suffix: str, tmp_path: Path) -> None:
    pixels = scans.volume(1, 64, seed=3)[0][0, ..., scans.FLAIR]
    write(tmp_path / f"a{suffix}", pixels)
    read = Reader(tmp_path).image(f"a{suffix}", 0)
    assert read.shape == (64, 64, 1)
    lossy = 8 if suffix in (".jpg", ".jpeg") else 0
    assert np.abs(read[..., 0].astype(float) - pixels).mean() <= lossy
