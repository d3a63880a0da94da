"""The audit of labels: what was done to masks and pictures on purpose is found, and good data stay quiet."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stages.checks import audit, catalogue, findings, judgement
from stages.core import manifest
from stages.formats import images
from stages.scan import task
from stages.sources import brats, coco, lgg, pairs, sample
from tests.fixtures import scans

SIZE = 96
Change = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
Table = pd.DataFrame
Slices = tuple[Table, list[tuple[np.ndarray, np.ndarray]]]
"""A manifest, and images with the classes of their masks."""
TURNS = (
    lambda mask: mask[::-1],
    lambda mask: mask[:, ::-1],
    lambda mask: mask[::-1, ::-1],
    lambda mask: mask.T,
    np.rot90,
    lambda mask: np.rot90(mask, -1),
    lambda mask: mask[::-1, ::-1].T,
)
"""What `audit.TURNS` says in words, as numpy does it."""


def read(root: Path, source: ModuleType, every: int = 1) -> Slices:
    """Every so many slices of a folder."""
    found = source.find(root)
    table = manifest.from_records([one for one in found.records if one.sample_id not in found.unannotated])
    table = table.iloc[::every].reset_index(drop=True)
    reader = images.Reader(root)
    slices = []
    for row in table.to_dict("records"):
        image = reader.image(row["image"], row["slice"], row["modalities"])
        mask = task.harmonise(reader.mask(row["mask"], row["slice"]), task.TASKS[row["label_set"]])
        slices.append((image, mask))
    return table, slices


def measured(
    table: Table, slices: list[tuple[np.ndarray, np.ndarray]], change: Change | None = None, case: str = ""
) -> Table:
    """Rows for `judge`; `change` is done to the slices of `case`, or to all."""
    numbers = []
    for case_id, (image, mask) in zip(table["case_id"], slices, strict=True):
        if change and case in ("", case_id):
            image, mask = change(image, mask)
        numbers.append({"mask_pixels": int(np.count_nonzero(mask)), **audit.of_slice(image, mask)})
    return pd.concat([table.reset_index(drop=True), pd.DataFrame(numbers)], axis=1)


def told(rows: Table) -> list[tuple[str, ...]]:
    """Findings as (severity, check, sample_id, explanation); the check is in the catalogue."""
    found = list(judgement.judge(rows))
    assert all(check in catalogue.CHECKS for _, check, *_ in found)
    return [(severity, check, sample_id, text) for severity, check, sample_id, _, text in found]


def counted(found: list[tuple[str, ...]]) -> dict[str, int]:
    return {check: sum(row[1] == check for row in found) for check in sorted({row[1] for row in found})}


def moved(plane: np.ndarray, down: int, right: int) -> np.ndarray:
    """A picture or mask with nothing at the edges that it is moved to."""
    return np.roll(plane, (down, right), (0, 1))


def drawn(*, size: int = SIZE, **boxes: tuple[slice, slice]) -> np.ndarray:
    mask = np.zeros((size, size), np.uint8)
    for box in boxes.values():
        mask[box] = 1
    return mask


@pytest.fixture(scope="module")
def good() -> Slices:
    """Nine patients of six slices, the heads beside the middle, where a turn would change little."""
    rows, slices = [], []
    for patient in range(9):
        name = scans.case_name(patient)
        for k, (image, mask) in enumerate(zip(*scans.volume(6, SIZE, seed=(0, patient)), strict=True), 1):
            row = {"sample_id": f"{name}_{k}", "case_id": name, "patient_id": name, "slice": k}
            row |= {"image": f"{name}_{k}.tif", "mask": f"{name}_{k}_mask.tif", "label_kind": "mask"}
            rows.append({**row, "width": SIZE, "height": SIZE})
            slices.append((moved(image, 6, 10), moved((mask > 0).astype(np.uint8), 6, 10)))
    return pd.DataFrame(rows), slices


CASE = scans.case_name(3)


def test_good_data_give_no_finding(good: Slices) -> None:
    assert told(measured(*good)) == []
    assert told(measured(*good).iloc[:0]) == []


def test_the_sample_gives_no_finding(tmp_path: Path) -> None:
    sample.write(tmp_path, patients=9, seed=0)
    assert told(measured(*read(tmp_path, lgg))) == []


@settings(max_examples=60, deadline=None)
@given(
    top=st.integers(0, 40),
    left=st.integers(0, 40),
    height=st.integers(1, 50),
    width=st.integers(1, 50),
    turn=st.sampled_from(TURNS),
    dent=st.booleans(),
)
def test_a_rectangle_is_one_however_it_is_turned(
    top: int, left: int, height: int, width: int, turn: Callable[[np.ndarray], np.ndarray], dent: bool
) -> None:
    mask = drawn(box=(slice(top, top + height), slice(left, left + width)))
    mask[top, left] = not dent
    found = audit.of_slice(None, np.ascontiguousarray(turn(mask)))
    large = min(height, width) >= audit.RECTANGLE_SIDE
    assert found["rectangle"] == (large and not dent)
    if large:
        assert (found["components"], found["smallest_component"]) == (1, height * width - dent)


def test_parts_and_border() -> None:
    mask = drawn(
        one=(slice(0, 10), slice(0, SIZE)),
        two=(slice(40, 50), slice(40, 60)),
        dot=(slice(70, 71), slice(3, 4)),
    )
    found = audit.of_slice(None, mask)
    assert (found["components"], found["smallest_component"], found["rectangle"]) == (3, 1, False)
    assert found["border"] == (SIZE + 2 * 9) / (4 * SIZE - 4)
    assert audit.of_slice(None, mask[:60])["rectangle"]
    assert (
        audit.of_slice(None, np.ones((7, 9), np.uint8))["border"],
        audit.of_slice(None, None)["border"],
    ) == (1, 0)


def test_head_brightness_and_what_is_missing() -> None:
    row, column = np.mgrid[:128, :128]
    head = ((row - 64) / 50) ** 2 + ((column - 64) / 40) ** 2 < 1
    image = np.where(head, 100, 3).astype(np.uint8)[..., None]
    mask = np.zeros((128, 128), np.uint8)
    mask[60:68, 60:68] = mask[0:8, 0:24] = 1
    found = audit.of_slice(image, mask)
    assert found["outside"] == pytest.approx(0.75)
    assert found["covers"] == pytest.approx(64 / head.sum(), rel=0.1)
    assert found["level"] == pytest.approx(100 / 255, rel=0.03)
    assert found["placement"].shape == (1 + len(audit.MOVES), 1)
    assert audit.of_slice(image.astype(np.uint16) * 257, mask)["level"] == pytest.approx(
        found["level"], rel=0.01
    )
    assert audit.of_slice(image, None)["level"] == found["level"]
    for nothing in (np.zeros_like(image), np.full_like(image, 9)):
        blank = audit.of_slice(nothing, mask)
        assert blank["outside"] == 1
        assert np.isnan(blank["level"])
        assert blank["placement"] is None
    assert audit.of_slice(image[:-1], mask)["placement"] is None


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "i4", "f4", "f8", "?"])
@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_every_kind_of_number_and_channels(dtype: str, channels: int) -> None:
    image, mask = (one[1] for one in scans.volume(2, 50))
    many = np.repeat(image[..., :1], channels, axis=2)
    found = audit.of_slice(many > 90 if dtype == "?" else many.astype(dtype), mask)
    assert found["placement"].shape == (1 + len(audit.MOVES), channels)
    assert found["placement"].dtype == np.float32
    assert (found["placement"][:, 1:] == 0).all()  # copies count once


@pytest.mark.parametrize(("words", "turn"), list(zip(audit.TURNS, TURNS, strict=True)))
def test_a_case_whose_masks_were_turned(
    good: Slices, words: str, turn: Callable[[np.ndarray], np.ndarray]
) -> None:
    back = {
        "turned by 90 degrees anticlockwise": "clockwise",
        "turned by 90 degrees clockwise": "anticlockwise",
    }
    undone = f"turned by 90 degrees {back[words]}" if words in back else words
    found = told(measured(*good, lambda image, mask: (image, np.ascontiguousarray(turn(mask))), CASE))
    assert [row[:2] for row in found] == [("warning", "misregistered")]
    assert (
        f"masks of case {CASE} fit their pictures better {undone} (contrast along their edge" in found[0][3]
    )


@pytest.mark.parametrize(("down", "right"), [(7, 0), (0, -7), (-7, 7), (8, 8), (-8, 0)])
def test_a_far_shift_of_each_case(good: Slices, down: int, right: int) -> None:
    plain = measured(*good)
    shifted = measured(*good, lambda image, mask: (image, moved(mask, down, right)))
    for case in sorted(set(plain["case_id"])):
        rows = plain.where(plain["case_id"] != case, shifted)
        (found,) = told(rows)
        assert found[1] == "misregistered"
        assert f" masks of case {case} fit their pictures better " in found[3]


@pytest.fixture(scope="module")
def poor(good: Slices) -> Table:
    """Each of the first cases spoilt in another way."""
    rows = measured(*good)
    for case, kind in zip(sorted(set(rows["case_id"])), KINDS, strict=False):
        rows = rows.where(
            rows["case_id"] != case, measured(*good, lambda *both, how=kind: spoilt(how, *both))
        )
    return rows


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1))
def test_the_order_of_rows_changes_nothing(poor: Table, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(poor))
    assert told(poor.iloc[order]) == told(poor) != []


def test_all_masks_shifted_is_one_finding(good: Slices) -> None:
    rows = measured(*good, lambda image, mask: (image, moved(mask, 0, -7)))
    text = "the masks of 9 of 9 cases fit their pictures better moved right by 8 % of the side"
    assert [row[3] for row in told(rows)] == [text]
    single = rows.assign(case_id=rows["sample_id"])
    (found,) = told(single)
    assert found[3].startswith(
        "the masks of 45 pictures fit them better moved right by 8 % of the side (contrast"
    )
    few = single[single["mask_pixels"] > 0].iloc[: judgement.MIN_PICTURES - 1]
    assert told(few) == []


KINDS = ("speck", "frame", "air", "inverted", "box", "bright")


def spoilt(kind: str, image: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mask = mask.copy()
    if kind == "speck" and mask.any():
        mask[SIZE // 2, 20] = 1
    if kind == "frame" and mask.any():
        mask[:, 0] = 1
    if kind == "air" and mask.any():
        mask[:] = moved(np.flip(drawn(blob=(slice(1, 9), slice(2, 9)))), 0, 0)
        mask[-2, -3] = 0
    if kind == "inverted" and mask.any():
        mask = 1 - mask
    if kind == "box" and mask.any():
        rows, columns = np.nonzero(mask)
        mask[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] = 1
    if kind == "bright":
        image = np.clip(image * 2.5, 0, 255).astype(np.uint8)
    return image, mask


@pytest.mark.parametrize(
    ("kind", "check", "severity", "text"),
    [
        (
            "speck",
            "speck",
            "info",
            "a part of the mask is a single pixel, one of 2 parts; 5 slices of case {} are like this",
        ),
        (
            "frame",
            "follows_border",
            "warning",
            "the mask takes 25 % of the picture's border; 5 slices of case {} are like this",
        ),
        (
            "air",
            "outside_head",
            "warning",
            "100 % of the mask lies outside the head; 5 slices of case {} are like this",
        ),
        ("inverted", "full_mask", "warning", "the mask covers {} % of the head"),
        (
            "box",
            "rectangle_labels",
            "warning",
            "the mask is an upright rectangle of {} pixels, in a set of outlines; 5",
        ),
        ("bright", "intensity_outlier", "warning", "the mean brightness of patient {}'s head is"),
    ],
)
def test_one_case_spoilt(good: Slices, kind: str, check: str, severity: str, text: str) -> None:
    found = [row for row in told(measured(*good, lambda *both: spoilt(kind, *both), CASE)) if row[1] == check]
    assert [row[0] for row in found] == [severity]
    assert found[0][2].startswith(CASE)
    before, after = text.split("{}") if "{}" in text else (text, "")
    assert found[0][3].startswith(before)
    assert after in found[0][3]


def test_a_set_of_boxes_is_one_finding(good: Slices) -> None:
    text = (
        "45 of 45 labels are upright rectangles: boxes, not outlines; a perfect outline of the tumour would "
    )
    text += "reach a Dice of about 0.58 with them"
    rows = measured(*good, lambda *both: spoilt("box", *both))
    first = f"{scans.case_name(0)}_2"
    assert told(rows) == [("warning", "rectangle_labels", first, text)]
    by_kind = measured(*good).assign(label_kind="box")
    assert told(by_kind) == [("warning", "rectangle_labels", first, text)]


def test_a_lone_pixel_is_a_speck_only_where_there_is_nothing_beside_it(good: Slices) -> None:
    table, slices = good
    dot = drawn(dot=(slice(40, 41), slice(40, 41)))
    end = measured(table, [(image, dot) for image, _ in slices])
    assert "speck" not in counted(told(end))  # the last slice of a tumour may be one pixel
    assert counted(told(end.assign(case_id=end["sample_id"])))["speck"] == len(slices)


def test_every_check_of_the_findings_is_in_the_catalogue() -> None:
    source = Path(findings.__file__).read_text(encoding="utf-8") + Path(judgement.__file__).read_text(
        encoding="utf-8"
    )
    assert [name for name in catalogue.CHECKS if f'"{name}"' not in source] == []
    assert all(check.title and check.reason.endswith(".") for check in catalogue.CHECKS.values())


@pytest.fixture(scope="module")
def real_lgg(lgg_folder: Path) -> Slices:
    return read(lgg_folder, lgg)


def test_real_masks_lie_where_they_belong(real_lgg: Slices) -> None:
    text = "a part of the mask is a single pixel, one of 3 parts"
    assert told(measured(*real_lgg)) == [("info", "speck", "TCGA_HT_8113_19930809_19", text)]


@pytest.mark.parametrize(
    "change",
    [
        lambda mask: moved(mask, 0, 10),
        lambda mask: moved(mask, -10, 0),
        lambda mask: mask[::-1],
        lambda mask: mask.T,
    ],
)
def test_ten_pixels_and_turns_are_found_in_every_real_case(
    real_lgg: Slices, change: Callable[[np.ndarray], np.ndarray]
) -> None:
    rows = measured(*real_lgg, lambda image, mask: (image, np.ascontiguousarray(change(mask))))
    assert counted(told(rows))["misregistered"] == 3


def test_real_boxes_and_real_outlines(shared_data: Path, tmp_path: Path) -> None:
    counts = {}
    for name, source, every in (("coco", coco, 3), ("coco_polygons", coco, 1), ("figshare", pairs, 1)):
        with zipfile.ZipFile(shared_data / f"{name}.zip") as archive:
            archive.extractall(tmp_path / name)
        found = told(measured(*read(tmp_path / name, source, every)))
        counts[name] = counted(found)
        if name == "coco":
            assert found[0][3].startswith("133 of 133 labels are upright rectangles")
    assert counts == {"coco": {"rectangle_labels": 1}, "coco_polygons": {}, "figshare": {"speck": 1}}


def test_real_volumes(shared_data: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(shared_data / "brats2015.zip") as archive:
        archive.extractall(tmp_path, [name for name in archive.namelist() if "pat0005" in name])
    table, slices = read(tmp_path, brats)
    assert counted(told(measured(table, slices))) == {"speck": 1}
    turned = measured(table, slices, lambda image, mask: (image, mask[:, ::-1]))
    assert "fit their pictures better mirrored left to right" in told(turned)[-1][3]
