"""Measurements of real, synthetic and damaged files: no file crashes them and none that is bad looks good."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
import tifffile

from stages.checks import findings, statistics, twins
from stages.core import tables
from stages.sources import lgg
from tests.fixtures import scans

GOOD = {"image_problem": "", "mask_problem": "", "label_problem": "", "finite": True, "mask_matches": True}
OTHERS = "the mask holds other values than 0 and one label (1, or 255, or 65535 in 16 bits)"


def measured(root: Path, image: np.ndarray | None, mask: np.ndarray | None) -> dict[str, object]:
    """Measurements of one slice with these pixels."""
    scans.write_slice(root, "c", 1, image, mask)
    row = {
        "sample_id": "c_1",
        "image": "c/c_1.tif" if image is not None else "",
        "mask": "c/c_1_mask.tif" if mask is not None else "",
        "slice": 1,
        "modalities": "pre;flair;post",
        "label_set": "tumour",
    }
    (found,) = statistics.measure(root, [row]).to_dict("records")
    return found  # type: ignore[return-value]


def slice_with_tumour(size: int = 64) -> tuple[np.ndarray, np.ndarray]:
    images, masks = scans.volume(3, size)
    return images[1], masks[1]


def test_a_good_slice(tmp_path: Path) -> None:
    image, mask = slice_with_tumour()
    found = measured(tmp_path, image, mask)
    assert {name: found[name] for name in GOOD} == GOOD
    assert (found["height"], found["width"], found["channels"]) == (64, 64, 3)
    assert found["mask_pixels"] == np.count_nonzero(mask)
    assert not found["copied_channels"]
    assert 0.3 < found["head"] < 0.7  # type: ignore[operator]


@pytest.mark.parametrize("levels", [(0, 0), (0, 1), (0, 255), (1, 1), (255, 255)])
def test_a_binary_mask_however_it_was_saved(tmp_path: Path, levels: tuple[int, int]) -> None:
    image, mask = slice_with_tumour()
    found = measured(tmp_path, image, np.where(mask, *reversed(levels)).astype(np.uint8))
    assert found["label_problem"] == ""
    assert found["mask_pixels"] == (64 * 64 if levels[0] else np.count_nonzero(mask) if levels[1] else 0)


@pytest.mark.parametrize("values", [(0, 2), (0, 1, 255), (0, 254), (0, 0.5), (0, -1), (0, np.nan)])
def test_a_mask_with_other_values(tmp_path: Path, values: tuple[float, ...]) -> None:
    image, mask = slice_with_tumour()
    wrong = np.full(mask.shape, values[0], np.float32)
    for number, value in enumerate(values):
        wrong[1 + number, 5:9] = value  # away from the border, where NaN is background
    assert measured(tmp_path, image, wrong)["label_problem"] == OTHERS


def test_a_mask_of_another_size(tmp_path: Path) -> None:
    image, mask = slice_with_tumour()
    assert not measured(tmp_path, image, mask[:-1])["mask_matches"]
    assert not measured(tmp_path, image[:, :-2], mask)["mask_matches"]


def test_the_range_is_that_of_the_pixels_in_the_files_own_numbers(tmp_path: Path) -> None:
    image, mask = slice_with_tumour()
    for dtype, low, high in ((np.uint8, 2, 251), (np.int16, -32768, 32767), (np.float32, -3.25, 70000.5)):
        changed = np.clip(image, 20, 200).astype(dtype)
        changed[3, 5, 1], changed[9, 2, 2] = low, high
        found = measured(tmp_path, changed, mask)
        assert (found["lowest"], found["highest"]) == (low, high)
    without = measured(tmp_path / "other", None, mask)
    assert (without["lowest"], without["highest"], without["content"], without["picture"]) == (0, 0, "", "")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_pixel_that_is_no_number(tmp_path: Path, value: float) -> None:
    image, mask = slice_with_tumour()
    spoilt = image.astype(np.float32)
    spoilt[40, 2, 1] = value
    found = measured(tmp_path, spoilt, mask)
    assert not found["finite"]
    assert found["image_problem"] == found["picture"] == ""
    assert found["lowest"] == found["highest"] == 0
    assert measured(tmp_path, image.astype(np.float32), mask)["finite"]


def test_half_a_pair(tmp_path: Path) -> None:
    image, mask = slice_with_tumour()
    without_mask, without_image = measured(tmp_path, image, None), measured(tmp_path, None, mask)
    assert (without_mask["image_problem"], without_mask["mask_problem"]) == ("", "there is no mask")
    assert (without_image["image_problem"], without_image["mask_problem"]) == ("there is no image", "")


@pytest.mark.parametrize("pair", [(0, 1), (0, 2), (1, 2)])
def test_copied_channels(tmp_path: Path, pair: tuple[int, int]) -> None:
    image, mask = slice_with_tumour()
    image[..., pair[1]] = image[..., pair[0]]
    assert measured(tmp_path, image, mask)["copied_channels"]


@pytest.mark.parametrize("level", [0, 77, 255])
def test_a_constant_slice_shows_no_head_and_no_copies(tmp_path: Path, level: int) -> None:
    found = measured(tmp_path, np.full((64, 64, 3), level, np.uint8), np.zeros((64, 64), np.uint8))
    assert (found["head"], found["picture"], found["copied_channels"]) == (0.0, "", False)


def test_content_is_that_of_the_pixels_and_not_of_the_file(tmp_path: Path) -> None:
    image, mask = slice_with_tumour()
    one = measured(tmp_path, image, mask)["content"]
    tifffile.imwrite(tmp_path / "c" / "other.tif", image, compression="zlib", description="saved anew")
    row = {"sample_id": "x", "image": "c/other.tif", "mask": "c/c_1_mask.tif", "slice": 1}
    row |= {"modalities": "pre;flair;post", "label_set": "tumour"}
    assert statistics.measure(tmp_path, [row])["content"][0] == one
    image[0, 0, 0] ^= 1
    assert measured(tmp_path, image, mask)["content"] != one


def test_every_one_of_62_really_damaged_files_is_found(shared_data: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(shared_data / "lgg_corrupt.zip") as archive:
        archive.extractall(tmp_path)
    files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.tif")}
    assert len(files) == 62
    table = tables.from_records(lgg.find(tmp_path).records)
    assert {name for name in [*table["image"], *table["mask"]] if name} == files
    found = statistics.measure(tmp_path, table.to_dict("records"))
    assert (found["image_problem"] != "").all()
    assert (found["mask_problem"] != "").all()
    assert not found["content"].any()
    rows = findings.measured(table.assign(source="lgg"), found)
    critical = findings.of(rows, twins.of(rows, 1)).query("severity == 'critical'")
    assert files <= set(critical["file"])
    assert set(critical["sample_id"]) == set(table["sample_id"])


def test_real_slices_are_measured_as_numpy_measures_them(lgg_folder: Path) -> None:
    table = tables.from_records(lgg.find(lgg_folder).records)
    found = findings.measured(table, statistics.measure(lgg_folder, table.to_dict("records")))
    assert found[list(GOOD)].drop_duplicates().to_dict("records") == [GOOD]
    for row in found.iloc[::7].itertuples():
        mask = tifffile.imread(lgg_folder / str(row.mask))
        assert row.mask_pixels == np.count_nonzero(mask)
        image = tifffile.imread(lgg_folder / str(row.image))
        assert (row.height, row.width, row.channels) == image.shape
        assert (row.lowest, row.highest) == (image.min(), image.max())
    copied = found.groupby("patient_id")["copied_channels"].mean()
    assert copied["TCGA_DU_8165"] == 1
    assert copied.drop("TCGA_DU_8165").max() < 0.5
