"""What is found in masks and pictures by their measurements alone: good data stay quiet, real and made."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stages.sources import brats, coco, lgg, pairs, sample
from tests.fixtures.flaws import KINDS, Slices, Table, counted, flagged, measured, read, spoilt


def test_good_data_give_no_finding(good: Slices) -> None:
    assert flagged(measured(*good)) == []
    assert flagged(measured(*good).iloc[:0]) == []


def test_the_sample_gives_no_finding(tmp_path: Path) -> None:
    sample.write(tmp_path, patients=9, seed=0)
    assert flagged(measured(*read(tmp_path, lgg))) == []


@pytest.fixture(scope="module")
def poor(good: Slices) -> Table:
    """Each of the first cases spoilt in another way."""
    rows = measured(*good)
    for case, kind in zip(sorted(set(rows["case_id"])), KINDS, strict=False):
        rows = rows.where(
            rows["case_id"] != case, measured(*good, lambda *both, how=kind: spoilt(how, *both))
        )
    return rows


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1))
def test_the_order_of_rows_changes_nothing(poor: Table, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(poor))
    assert flagged(poor.iloc[order]) == flagged(poor) != []


def test_real_masks_lie_where_they_belong(real_lgg: Slices) -> None:
    text = "a part of the mask is a single pixel, one of 3 parts"
    assert flagged(measured(*real_lgg)) == [("info", "speck", "TCGA_HT_8113_19930809_19", text)]


def test_real_boxes_and_real_outlines(shared_data: Path, tmp_path: Path) -> None:
    counts = {}
    for name, source, every in (("coco", coco, 3), ("coco_polygons", coco, 1), ("figshare", pairs, 1)):
        with zipfile.ZipFile(shared_data / f"{name}.zip") as archive:
            archive.extractall(tmp_path / name)
        rows = measured(*read(tmp_path / name, source, every))
        counts[name] = counted(rows)
        if name == "coco":
            assert flagged(rows)[0][3].startswith("133 of 133 labels are upright rectangles")
    assert counts == {"coco": {"rectangle_labels": 1}, "coco_polygons": {}, "figshare": {"speck": 1}}


def test_real_volumes(shared_data: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(shared_data / "brats2015.zip") as archive:
        archive.extractall(tmp_path, [name for name in archive.namelist() if "pat0005" in name])
    table, slices = read(tmp_path, brats)
    assert counted(measured(table, slices)) == {"speck": 1}
    turned = measured(table, slices, lambda image, mask: (image, mask[:, ::-1]))
    assert "fit their pictures better mirrored left to right" in flagged(turned)[-1][3]
