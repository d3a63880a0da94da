"""Findings: every fault is said in words that name slice and file, and what cannot be used stops the run."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages.checks import findings, statistics, twins
from stages.core import manifest
from stages.core.errors import UserError
from stages.sources import lgg
from tests.fixtures import scans

A, B = scans.case_name(0), scans.case_name(1)


def path(case: str, number: int, end: str = "") -> str:
    return f"kaggle_3m/{case}/{case}_{number}{end}.tif"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two good patients of four slices."""
    scans.write_lgg(tmp_path, patients=2, slices=4)
    return tmp_path


def judged(root: Path, bits: int = 8) -> tuple[pd.DataFrame, twins.Same, list[tuple[str, ...]]]:
    """Manifest and measurements, what is the same, and the findings as tuples of `findings.COLUMNS`."""
    table = manifest.from_records(lgg.find(root).records).assign(source="sample")
    rows = findings.measured(table, statistics.measure(root, table.to_dict("records")))
    same = twins.of(rows, bits)
    found = findings.of(rows, same)
    assert list(found.columns) == findings.COLUMNS
    return rows, same, [tuple(row) for row in found.itertuples(index=False)]


def replaced(root: Path, case: str, number: int, image: np.ndarray | None, mask: np.ndarray | None) -> None:
    scans.write_slice(root / "kaggle_3m", case, number, image, mask)


def test_good_data_give_no_finding(root: Path) -> None:
    assert judged(root)[2] == []


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
    told = [
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
    assert judged(root)[2] == told


def test_a_case_whose_images_differ_in_shape(root: Path) -> None:
    images, masks = scans.volume(4, size=48, seed=(0, 0))
    replaced(root, A, 3, images[2], masks[2])
    told = f"of the other slices of case {A} 64"
    assert judged(root)[2] == [
        ("critical", "one_case_one_shape", f"{A}_3", path(A, 3), f"its {what} is 48, {told}")
        for what in ("width", "height")
    ]


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


def test_copies_between_patients_are_told_and_join_them(root: Path) -> None:
    scans.write_lgg(root, patients=4, slices=4)
    c, d = scans.case_name(2), scans.case_name(3)
    images, _ = scans.volume(4, seed=(0, 0))
    replaced(root, B, 2, images[1], None)  # the very pixels
    images, _ = scans.volume(4, seed=(0, 1))
    turned = np.ascontiguousarray(np.rot90(images[2]))
    replaced(root, d, 3, np.clip(turned * 1.05, 0, 255).astype(np.uint8), None)  # turned and stretched
    rows, same, found = judged(root, bits=8)
    near = f"it looks like {B}_3 of patient {lgg.patient_of(B)}; both stay in one split"
    assert found == [
        ("warning", "duplicate", f"{B}_2", path(B, 2), f"its pixels are those of {A}_2"),
        ("warning", "near_duplicate", f"{d}_3", path(d, 3), near),
    ]
    groups = same.groups(rows)
    assert set(groups[rows["case_id"].isin([A, B, d])]) == {lgg.patient_of(A)}
    assert set(groups[rows["case_id"] == c]) == {lgg.patient_of(c)}
    rows, same, found = judged(root, bits=0)
    assert [row[1] for row in found] == ["duplicate"]
    assert set(same.groups(rows)[rows["case_id"] == d]) == {lgg.patient_of(d)}


def test_blank_slices_do_not_join_patients(root: Path) -> None:
    for case in (A, B):
        replaced(root, case, 1, np.zeros((64, 64, 3), np.uint8), None)
    _, same, found = judged(root, bits=64)
    assert [row[1] for row in found if row[1] != "near_duplicate"] == ["blank", "blank"]
    assert same.identical == []
    assert not any(f"{case}_1" in pair for pair in same.near for case in (A, B))


def test_a_pair_of_equal_pixels_is_told_once(root: Path) -> None:
    """Pictures of the same pixels are near each other too."""
    replaced(root, B, 2, scans.volume(4, seed=(0, 0))[0][1], None)
    _, same, found = judged(root)
    assert same.identical == same.near == [(f"{A}_2", f"{B}_2")]
    assert [row[1] for row in found] == ["duplicate"]


def bad(count: int) -> pd.DataFrame:
    rows = [("critical", "image", f"s{i}", f"s{i}.tif", "there is no image") for i in range(count)]
    return pd.DataFrame(rows, columns=findings.COLUMNS)


def test_refusals() -> None:
    findings.refuse(bad(0), 10, "fail", 0.0)
    findings.refuse(bad(1), 10, "quarantine", 0.1)
    warned = bad(1).assign(severity="warning")
    findings.refuse(warned, 10, "fail", 0.0)
    listed = "s0.tif: there is no image; s1.tif: there is no image; s2.tif: there is no image"
    for found, share, on_error, wanted in (
        (
            bad(1),
            0.05,
            "fail",
            "1 of 10 slices cannot be used: s0.tif: there is no image; repair or remove them, or set "
            "validate.on_error: quarantine to go on without them",
        ),
        (
            bad(5),
            0.05,
            "quarantine",
            f"5 of 10 slices cannot be used: {listed} (and 2 more); that is more than "
            "validate.max_quarantined 0.05, repair the data or raise it",
        ),
        (
            bad(10),
            1.0,
            "quarantine",
            f"10 of 10 slices cannot be used: {listed} (and 7 more); no slice is left, check "
            "ingest.source and ingest.location",
        ),
    ):
        with pytest.raises(UserError) as error:
            findings.refuse(found, 10, on_error, share)
        assert str(error.value) == wanted
