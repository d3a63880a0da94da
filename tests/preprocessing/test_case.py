"""A case from its files to the store: what is kept of its geometry maps predictions back."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages.core import tables
from stages.core.errors import UserError
from stages.formats.reader import Reader
from stages.framing import transform
from stages.preprocessing import case
from stages.sources import brats, joining, lgg
from stages.store import shards
from tests.fixtures import corrections, scans, volumes


@pytest.fixture
def table(tmp_path: Path) -> pd.DataFrame:
    scans.write_lgg(tmp_path, patients=2, slices=12)
    return tables.from_records(lgg.find(tmp_path).records)


def prepared(
    root: Path, table: pd.DataFrame, crop: str = "brain", channels: str | list[str] = "all"
) -> case.Prepared:
    preparation = case.preparation(table, channels, 32, crop)
    return case.prepare(root, preparation, case.rows(table)[0])


def test_slices_stay_in_the_order_of_the_table_with_their_own_masks(
    tmp_path: Path, table: pd.DataFrame
) -> None:
    done = prepared(tmp_path, table)
    assert done.images.shape == (12, 32, 32, 3)
    assert done.masks.shape == (12, 32, 32)
    assert done.images.dtype == done.masks.dtype == np.uint8
    volume, masks = scans.volume(12, seed=(0, 0))
    frame = transform.fit(volume, 32, crop=True)
    np.testing.assert_array_equal(done.images, transform.images(volume, frame))
    np.testing.assert_array_equal(done.masks, transform.labels(masks // 255, frame))
    assert done.summary.label_pixels == [int(mask.sum()) for mask in done.masks]
    assert done.summary.label_pixels[0] == 0
    assert min(done.summary.label_pixels[1:]) > 0


def test_the_summary_maps_a_prediction_back_onto_the_scan(tmp_path: Path, table: pd.DataFrame) -> None:
    done = prepared(tmp_path, table)
    kept = done.summary.meta
    frame = transform.CaseTransform(
        tuple(kept.mean), tuple(kept.std), kept.floor, kept.box, kept.height, kept.width, 32
    )
    back = transform.restore((done.masks > 0)[..., None].astype(np.float32), frame)[..., 0] > 0.5
    truth = scans.volume(12, seed=(0, 0))[1] > 0
    assert 2 * (back & truth).sum() / (back.sum() + truth.sum()) > 0.85


@pytest.mark.parametrize("crop", ["brain", "none"])
def test_spacing_is_that_of_the_store(tmp_path: Path, table: pd.DataFrame, crop: str) -> None:
    known = prepared(tmp_path, table.assign(spacing_mm="6.5;0.5;0.75"), crop).summary.meta
    _, _, height, width = known.box
    assert width == 64 if crop == "none" else width < 60
    assert height == pytest.approx(1.5 * width, abs=1)
    assert known.frame_spacing_mm == pytest.approx((6.5, 0.5 * height / 32, 0.75 * width / 32))
    assert known.spacing_known
    untold = prepared(tmp_path, table, crop).summary.meta
    side = untold.box.width
    assert untold.frame_spacing_mm == pytest.approx((1, side / 32, side / 32))
    assert not untold.spacing_known


def test_label_pixels_that_the_crop_cuts_off_are_counted(tmp_path: Path, table: pd.DataFrame) -> None:
    assert prepared(tmp_path, table).summary.meta.label_pixels_outside_crop == 0
    mask = np.zeros((64, 64), np.uint8)
    mask[0, :7] = 255  # in the air, far from the head
    scans.write_slice(tmp_path / "kaggle_3m", scans.case_name(0), 1, None, mask)
    assert prepared(tmp_path, table).summary.meta.label_pixels_outside_crop == 7
    assert prepared(tmp_path, table, crop="none").summary.meta.label_pixels_outside_crop == 0


def test_channels_by_name_and_grey(tmp_path: Path, table: pd.DataFrame) -> None:
    volume = scans.volume(12, seed=(0, 0))[0]
    flair = prepared(tmp_path, table, channels=["flair"])
    assert flair.images.shape == (12, 32, 32, 1)
    alone = volume[..., 1:2]
    np.testing.assert_array_equal(flair.images, transform.images(alone, transform.fit(alone, 32, True)))
    assert prepared(tmp_path, table, channels=["post", "pre"]).summary.meta.mean == pytest.approx(
        prepared(tmp_path, table).summary.meta.mean[::-2], rel=0.05
    )
    assert case.preparation(table, "gray", 32, "brain").channels == ["gray"]
    assert prepared(tmp_path, table, channels="gray").images.shape == (12, 32, 32, 1)


def test_grey_scans_are_one_channel_whatever_it_would_be_called_in_colour(tmp_path: Path) -> None:
    images, masks = scans.volume(3)
    for k in range(3):
        scans.write_slice(tmp_path, "a", k + 1, images[k, ..., 1], masks[k])
    table = tables.from_records(lgg.find(tmp_path).records)
    preparation = case.preparation(table, "all", 32, "brain")
    assert preparation.channels == ["gray"]
    assert case.prepare(tmp_path, preparation, case.rows(table)[0]).images.shape == (3, 32, 32, 1)


@pytest.mark.parametrize(
    ("channels", "sentence"),
    [
        (["t2"], "preprocess.channels names t2, which these scans do not have; choose from pre, flair, post"),
        (
            ["flair", "FLAIR"],
            "preprocess.channels names FLAIR, which these scans do not have; choose from pre, flair, post",
        ),
        ([], "preprocess.channels is empty; choose from pre, flair, post"),
    ],
)
def test_channels_that_do_not_exist(table: pd.DataFrame, channels: list[str], sentence: str) -> None:
    with pytest.raises(UserError) as error:
        case.preparation(table, channels, 32, "brain")
    assert str(error.value) == sentence


def test_scans_of_different_modalities_do_not_share_a_store(table: pd.DataFrame) -> None:
    mixed = table.assign(modalities=["gray"] * 12 + ["pre;flair;post"] * 12)
    with pytest.raises(UserError) as error:
        case.preparation(mixed, "all", 32, "brain")
    wanted = (
        "the scans differ in their modalities (gray and pre;flair;post); "
        "ingest them separately or set preprocess.channels: gray"
    )
    assert str(error.value) == wanted


def test_the_index_follows_the_order_in_which_cases_were_written(tmp_path: Path, table: pd.DataFrame) -> None:
    preparation = case.preparation(table, "all", 32, "brain")
    names = [scans.case_name(1), scans.case_name(0)]
    done = [case.prepare(tmp_path, preparation, rows).summary for rows in reversed(case.rows(table))]
    index = case.index(table.iloc[case.order(table, done)], done)
    assert list(index["case_id"].unique()) == names
    assert list(index["slice"]) == [*range(1, 13)] * 2
    pixels = index.set_index("sample_id")["label_pixels"]
    for summary in done:
        assert [pixels[f"{summary.case_id}_{k}"] for k in range(1, 13)] == summary.label_pixels
    assert list(case.meta(preparation, done).cases) == names


BRATS_CLASSES = {1: "necrosis", 2: "oedema", 3: "enhancing"}
BRATS_REGIONS = {"whole_tumour": [1, 2, 3], "tumour_core": [1, 3], "enhancing_tumour": [3]}


def test_scans_whose_numbers_mean_different_things_do_not_share_a_store(table: pd.DataFrame) -> None:
    mixed = table.assign(label_set=["tumour"] * 12 + ["brats"] * 12)
    with pytest.raises(UserError) as error:
        case.preparation(mixed, "all", 32, "brain")
    wanted = "the scans differ in their labels (tumour and brats); ingest them separately, or set "
    wanted += "ingest.labels where one meaning holds for all"
    assert str(error.value) == wanted
    years = table.assign(label_set=["brats2015"] * 12 + ["brats"] * 12)  # the same classes by other numbers
    preparation = case.preparation(years, "all", 32, "brain")
    assert (preparation.task.classes, preparation.task.regions) == (BRATS_CLASSES, BRATS_REGIONS)
    preparation = case.preparation(table, "all", 32, "brain")
    assert (preparation.task.classes, preparation.task.regions) == ({1: "tumour"}, {"tumour": [1]})


def test_grey_is_what_scans_of_different_modalities_have_in_common(
    tmp_path: Path, table: pd.DataFrame
) -> None:
    images, masks = scans.volume(3)
    for k in range(3):
        scans.write_slice(tmp_path / "kaggle_3m", "grey", k + 1, images[k, ..., 1], masks[k])
    mixed = tables.from_records(lgg.find(tmp_path).records)
    assert set(mixed["modalities"]) == {"gray", "pre;flair;post"}
    preparation = case.preparation(mixed, "gray", 32, "brain")
    for case_id, rows in mixed.groupby("case_id"):
        volume, _ = case.read(Reader(tmp_path), case.rows(rows)[0], preparation.positions("gray"))
        assert volume.shape == (len(rows), 64, 64, 1), case_id
    assert case.prepare(tmp_path, preparation, case.rows(mixed[mixed["case_id"] == "grey"])[0]).images.any()


@pytest.mark.parametrize("year", [2015, 2020, 2023])
def test_volumes_come_as_chosen_modalities_and_one_set_of_classes(tmp_path: Path, year: int) -> None:
    """Enhancing tumour is 4 until 2021 and 3 since; in 2015 the number 3 was a core that does not enhance."""
    volumes.write_brats(tmp_path, cases=1, year=year, slices=5)
    rows = tables.from_records(brats.find(tmp_path).records)
    anatomy = volumes.case(5, seed=(0, 1), enhancing=3 if year >= 2023 else 4)
    preparation = case.preparation(rows, ["t1ce", "flair"], 32, "brain")
    places = preparation.positions(rows["modalities"].iloc[0])
    volume, classes = case.read(Reader(tmp_path), case.rows(rows)[0], places)
    assert volume.dtype == np.int16
    np.testing.assert_array_equal(volume, np.stack([anatomy["t1ce"], anatomy["flair"]], 3))
    np.testing.assert_array_equal(classes, np.where(anatomy["seg"] > 2, 3, anatomy["seg"]))
    assert set(np.unique(classes)) == {0, 1, 2, 3}

    done = case.prepare(tmp_path, preparation, case.rows(rows)[0])
    assert done.images.shape == (5, 32, 32, 2)
    assert set(np.unique(done.masks)) == {0, 1, 2, 3}
    shards.close(tmp_path, case.meta(preparation, [done.summary]), case.index(rows, [done.summary]))
    kept = json.loads((tmp_path / "meta.json").read_text(encoding="utf-8"))
    assert kept["channels"] == ["t1ce", "flair"]
    assert kept["classes"] == {str(number): name for number, name in BRATS_CLASSES.items()}
    assert kept["regions"] == BRATS_REGIONS


def test_a_core_that_does_not_enhance_is_necrosis(tmp_path: Path) -> None:
    (folder,) = volumes.write_brats(tmp_path, cases=1, year=2015, slices=5)
    seg = volumes.case(5, seed=(0, 1))["seg"]
    volumes.save(folder / volumes.file_name(2015, folder.name, "seg"), np.where(seg == 1, 3, seg))
    rows = tables.from_records(brats.find(tmp_path).records)
    assert set(rows["label_set"]) == {"brats2015"}
    classes = case.read(Reader(tmp_path), case.rows(rows)[0], None)[1]
    np.testing.assert_array_equal(classes, np.where(seg == 4, 3, seg))


@pytest.mark.parametrize(
    ("dtypes", "together"),
    [
        ((np.uint8, np.uint8), np.uint8),
        ((np.uint8, np.uint16), np.uint16),
        ((np.uint16, np.uint8), np.uint16),
        ((np.uint16, np.int16), np.int32),
        ((np.uint8, np.float32), np.float32),
        ((np.float32, np.uint8), np.float32),
    ],
)
def test_slices_of_different_number_types_lose_nothing(
    tmp_path: Path, dtypes: tuple[type, type], together: type
) -> None:
    images, masks = scans.volume(4)
    written = [
        (image * (1 if dtype is np.uint8 else 0.37 if dtype is np.float32 else 117)).astype(dtype)
        for image, dtype in zip(images, dtypes * 2, strict=True)
    ]
    for k, image in enumerate(written):
        scans.write_slice(tmp_path, "a", k + 1, image, masks[k])
    volume, _ = case.read(
        Reader(tmp_path), case.rows(tables.from_records(lgg.find(tmp_path).records))[0], [0, 1, 2]
    )
    assert volume.dtype == together
    for read, image in zip(volume, written, strict=True):
        np.testing.assert_array_equal(read, image)


@pytest.mark.parametrize(
    ("dtype", "gain", "offset"), [(np.uint16, 257, 0), (np.int16, 100, -3000), (np.float32, 0.02, -2.5)]
)
def test_the_store_does_not_depend_on_the_units_of_a_scan(
    tmp_path: Path, table: pd.DataFrame, dtype: type, gain: float, offset: float
) -> None:
    plain = prepared(tmp_path, table)
    images, masks = scans.volume(12, seed=(0, 0))
    for k in range(12):
        changed = (images[k].astype(np.float64) * gain + offset).astype(dtype)
        scans.write_slice(tmp_path / "kaggle_3m", scans.case_name(0), k + 1, changed, masks[k])
    other = prepared(tmp_path, table)
    assert other.summary.meta.box == plain.summary.meta.box
    np.testing.assert_array_equal(other.masks, plain.masks)
    # The scale of 8 bits is measured on all pixels, that of others on a sample of them.
    assert np.abs(other.images.astype(int) - plain.images).max() <= 2
    mean = np.array(plain.summary.meta.mean) * gain + offset
    np.testing.assert_allclose(other.summary.meta.mean, mean, atol=abs(gain))


def test_a_correction_with_some_of_the_channels_in_another_order(tmp_path: Path) -> None:
    scans.write_lgg(tmp_path / "raw", patients=2, slices=3)
    images, masks = scans.volume(3, seed=(0, 1))
    names = ("post", "flair")
    corrections.write(tmp_path / "also", "x.tif", images[..., [2, 1]], masks, channels=names)
    base = lgg.find(tmp_path / "raw").records
    rows, _ = joining.join(base, tmp_path / "also", tmp_path / "raw")
    table = pd.concat(
        [
            tables.from_records(base).assign(source="lgg"),
            tables.from_records(rows).assign(source="corrections"),
        ],
        ignore_index=True,
    )
    preparation = case.preparation(table, ["flair", "post"], 32, "brain")
    *_, original, corrected = (case.prepare(tmp_path / "raw", preparation, own) for own in case.rows(table))
    np.testing.assert_array_equal(original.images, corrected.images)
    np.testing.assert_array_equal(original.masks, corrected.masks)
    with pytest.raises(UserError) as error:
        case.preparation(table, "all", 32, "brain")
    assert str(error.value) == (
        f"{rows[0].case_id} of ingest.also lacks the channel pre; set preprocess.channels to some of its own "
        "(post, flair), or remove it from that folder"
    )
