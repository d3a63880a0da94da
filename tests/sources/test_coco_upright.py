"""COCO sets of photographs with an EXIF orientation: outlines are in the frame that viewers show."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stages.checks import statistics, unusable
from stages.core import tables
from stages.formats import upright
from stages.formats.reader import Reader
from stages.sources import coco
from tests.fixtures.coco import HEIGHT, NAME, WIDTH, annotation, image, write_json

X, Y, W, H = 24, 4, 8, 6
"""The tumour, bright, in the upright picture of 40 x 30."""


def write(root: Path, orientation: int, suffix: str = ".jpg") -> str:
    """A picture that a viewer shows 40 wide and 30 high; returns its name."""
    shown = np.full((HEIGHT, WIDTH), 40, np.uint8)
    shown[Y : Y + H, X : X + W] = 220
    inverse = {6: 8, 8: 6}.get(orientation, orientation)
    exif = Image.Exif()
    exif[upright.TAG] = orientation
    stored = Image.fromarray(np.ascontiguousarray(upright.turned(shown, inverse)))
    if suffix == ".jpg":
        stored.save(root / "1.jpg", exif=exif, quality=100)
    else:
        stored.save(root / f"1{suffix}", exif=exif)
    return f"1{suffix}"


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_outline_lies_on_the_tumour(tmp_path: Path, orientation: int, suffix: str) -> None:
    name = write(tmp_path, orientation, suffix)
    write_json(tmp_path / NAME, [image(1, name)], [annotation([], bbox=[X, Y, W, H])])
    (row,) = coco.find(tmp_path).records
    assert (row.width, row.height) == (WIDTH, HEIGHT)
    reader = Reader(tmp_path)
    picture, mask = reader.image(row.image, 1)[:, :, 0], reader.mask(row.mask, 1)
    np.testing.assert_array_equal(picture > 130, mask == 1)


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_a_listing_with_the_stored_size_is_refused_with_what_helps(tmp_path: Path, orientation: int) -> None:
    name = write(tmp_path, orientation)
    lying = image(1, name, width=HEIGHT, height=WIDTH)
    write_json(tmp_path / NAME, [lying], [annotation([], bbox=[Y, X, H, W])])
    table = tables.from_records(coco.find(tmp_path).records)
    (row,) = (
        statistics.measure(tmp_path, table.to_dict("records"))
        .merge(table[["sample_id", "mask"]])
        .itertuples()
    )
    (finding,) = unusable.mask_size(row)
    assert finding.explanation == (
        "the mask is not 40x30 pixels as its image is, but 30x40: the image is used upright, as viewers show "
        "it, however it is stored (EXIF); draw the mask, or list the image in its annotation file, upright "
        "too"
    )


def test_any_other_size_is_no_matter_of_orientation(tmp_path: Path) -> None:
    name = write(tmp_path, 1)
    write_json(tmp_path / NAME, [image(1, name, width=20)], [annotation([], bbox=[4, 4, 5, 5])])
    table = tables.from_records(coco.find(tmp_path).records)
    (row,) = (
        statistics.measure(tmp_path, table.to_dict("records"))
        .merge(table[["sample_id", "mask"]])
        .itertuples()
    )
    assert [finding.explanation for finding in unusable.mask_size(row)] == [
        "the mask is not 40x30 pixels as its image is"
    ]
