"""The Great Expectations suite and its Data Docs: what they catch, and whom they name."""

import dataclasses
import re
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages.checks import expectations
from stages.sources.sources import SOURCES
from tests.fixtures.flaws import FILES


def page(docs: Path, name: str) -> str:
    """A validation result, or the first page, as one line of text."""
    (path,) = docs.glob(name) if name == "index.html" else docs.glob(f"validations/{name}/**/*.html")
    text = re.sub(r"<style.*?</style>|<script.*?</script>", "", path.read_text(encoding="utf-8"), flags=re.S)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", text)))


FLAWS: dict[str, dict[str, Any]] = {
    "in_set of image_problem does not hold: Every image can be read.": {"image_problem": "x"},
    "in_set of mask_problem does not hold: Every image has a readable mask.": {"mask_problem": "x"},
    "in_set of finite does not hold: No NaN, no infinity.": {"finite": False},
    "in_set of mask_matches does not hold: Mask and image agree in size.": {"mask_matches": False},
    "in_set of label_problem does not hold: A mask holds only labels that are known.": {
        "label_problem": "no"
    },
    "in_set of label_kind does not hold: No other labels can be read.": {"label_kind": "line"},
    "between of width does not hold: Pixels.": {"width": 9},
    "between of tumour_share does not hold: No tumour fills half a picture.": {"mask_pixels": 4087},
}
"""What is said of a slice, and what is changed of it."""


def test_each_bad_slice_fails_one_expectation_and_is_named(
    measurements: pd.DataFrame, tmp_path: Path
) -> None:
    """Eight flaws, eight expectations: none of them fails two. Two more are of the published set alone."""
    spoilt = measurements.copy()
    rows = {sentence: number % len(spoilt) for number, sentence in enumerate(FLAWS)}
    for sentence, change in FLAWS.items():
        for name, value in change.items():
            spoilt.loc[rows[sentence], name] = value
    count, failed = expectations.check(spoilt, FILES, tmp_path)
    assert count == 22
    assert sorted(failed) == sorted(f"expect_column_values_to_be_{sentence}" for sentence in FLAWS)
    first, slices = page(tmp_path, "index.html"), page(tmp_path, "slices")
    assert "Failed: 12 of 22 expectations hold." in first
    for sentence, row in rows.items():
        assert f"expect_column_values_to_be_{sentence} " in first
        bad = spoilt.loc[row]
        assert f" 1 {bad['sample_id']} {bad['image']} {bad['mask']} " in slices


def test_of_many_bad_slices_the_first_ten_are_named(measurements: pd.DataFrame, tmp_path: Path) -> None:
    many = pd.concat([measurements] * 40, ignore_index=True).assign(image_problem="it is empty")
    many = many.assign(sample_id=[f"s{k:03d}" for k in many.index])
    expectations.check(many, FILES, tmp_path)
    listed = re.findall(r"it is empty 240 (.*?) \. \. \. ", page(tmp_path, "slices").replace("...", ". . . "))
    assert listed
    assert re.findall(r"s\d{3}", listed[0]) == [f"s{k:03d}" for k in range(10)]


def test_sets_without_tumour_or_head_fail(measurements: pd.DataFrame, tmp_path: Path) -> None:
    _, failed = expectations.check(measurements.assign(mask_pixels=0, head=np.float64(0)), FILES, tmp_path)
    assert failed == [
        "expect_column_mean_to_be_between of has_tumour does not hold (found 0.0): "
        "Without tumour there is nothing to learn.",
        "expect_column_values_to_be_between of head does not hold: Most slices show a head.",
    ]


def test_a_scan_that_no_row_names_fails_and_is_named(measurements: pd.DataFrame, tmp_path: Path) -> None:
    files = pd.DataFrame({"file": ["a.tif", "lost.tif", "b.tif"], "used": [True, False, True]})
    count, failed = expectations.check(measurements, files, tmp_path)
    sentence = "expect_column_values_to_be_in_set of used does not hold: "
    assert (count, failed) == (22, [sentence + "Every scan belongs to a slice of the manifest."])
    assert "False 1 lost.tif" in page(tmp_path, "files")
    assert failed[0] in page(tmp_path, "index.html")


SO = "The published set (Buda et al., Computers in Biology and Medicine 109 (2019)) is so."


def test_what_is_unlike_the_published_set_is_said_in_the_docs_alone(
    measurements: pd.DataFrame, tmp_path: Path
) -> None:
    spoilt = measurements.assign(source="lgg", channels=1, lowest=-1.0, highest=256.0)
    assert expectations.check(spoilt, FILES, tmp_path) == (24, [])
    first = page(tmp_path, "index.html")
    assert "Succeeded: 17 of 24 expectations hold. Unlike the published set:" in first
    for sentence in (
        "expect_table_row_count_to_equal of the table does not hold (found 6)",
        "expect_column_unique_value_count_to_be_between of patient_id does not hold (found 2)",
        "expect_column_values_to_be_in_set of width does not hold",
        "expect_column_values_to_be_in_set of height does not hold",
        "expect_column_values_to_be_in_set of channels does not hold",
        "expect_column_values_to_be_between of lowest does not hold",
        "expect_column_values_to_be_between of highest does not hold",
    ):
        assert f"{sentence}: {SO}" in first
    assert "Must have exactly 3929 rows." in page(tmp_path, "slices")


@pytest.mark.parametrize(("source", "count"), [("sample", 22), ("coco", 23), ("pairs", 23), ("brats", 22)])
def test_every_source_has_its_card(
    measurements: pd.DataFrame, tmp_path: Path, source: str, count: int
) -> None:
    """Of volumes, which have any numbers, no range is expected."""
    assert expectations.check(measurements.assign(source=source), FILES, tmp_path) == (count, [])
    first = page(tmp_path, "index.html")
    assert "Unlike the published set: expect_" in first
    card = SOURCES[source].card
    assert card
    assert f"The published set ({card.about}) is so." in first


def test_a_set_like_the_published_one(
    measurements: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lgg = SOURCES["lgg"]
    assert lgg.card
    card = dataclasses.replace(lgg.card, slices=6, patients=2, sides=(64, 128))
    monkeypatch.setitem(SOURCES, "lgg", dataclasses.replace(lgg, card=card))
    assert expectations.check(measurements.assign(source="lgg"), FILES, tmp_path) == (24, [])
    first = page(tmp_path, "index.html")
    assert "Succeeded: 24 of 24 expectations hold." in first
    assert "Unlike" not in first
