"""What numbers in masks of BraTS mean: by names of cases, by the numbers themselves, by the user."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.masks import label_map
from stages.masks.rule import Rule
from stages.scan.task import Task
from stages.sources import brats_editions, mask_numbers
from tests.fixtures import volumes
from tests.fixtures.brats_masks import arrived, meant, refusal, write

pytestmark = pytest.mark.usefixtures("without_processes")


@pytest.mark.parametrize(
    ("case", "numbers", "voxels"),
    [
        ("brats_2013_pat0001_1", (1, 2, 3, 4), {"necrosis": 2 + 4, "oedema": 3, "enhancing": 5}),
        ("Brats17_TCIA_100_1", (1, 2, 4), {"necrosis": 2, "oedema": 3, "enhancing": 5}),
        ("BraTS20_Training_001", (1, 2, 4), {"necrosis": 2, "oedema": 3, "enhancing": 5}),
        ("BraTS2021_00000", (2, 4), {"necrosis": 0, "oedema": 3, "enhancing": 5}),
        ("UPENN-GBM-00001_11", (1, 2, 4), {"necrosis": 2, "oedema": 3, "enhancing": 5}),
        ("BraTS-GLI-00000-000", (1, 2, 3), {"necrosis": 2, "oedema": 3, "enhancing": 4}),
        ("BraTS-MEN-00004-000", (3,), {"necrosis": 0, "oedema": 0, "enhancing": 4}),
        ("BraTS-SSA-00002-000", (1, 2, 3), {"necrosis": 2, "oedema": 3, "enhancing": 4}),
        ("BraTS-GoAT-00012", (1, 2, 3), {"necrosis": 2, "oedema": 3, "enhancing": 4}),
        ("BraTS-MET-00231-000", (1, 2, 3), {"necrosis": 2, "oedema": 3, "enhancing": 4}),
        (
            "BraTS-MET-00231-000",
            (1, 2, 3, 4),
            {"necrosis": 2, "oedema": 3, "enhancing": 4, "resection_cavity": 5},
        ),
        (
            "BraTS-GLI-00005-100",
            (1, 2, 3, 4),
            {"necrosis": 2, "oedema": 3, "enhancing": 4, "resection_cavity": 5},
        ),
        ("BraTS-GLI-02072-101", (2,), {"necrosis": 0, "oedema": 3, "enhancing": 0, "resection_cavity": 0}),
        ("BraTS-PED-00002-000", (1, 2, 3, 4), {"enhancing": 2, "non_enhancing": 3, "cyst": 4, "oedema": 5}),
        ("brats-ped-00002-000", (2, 4), {"enhancing": 0, "non_enhancing": 3, "cyst": 0, "oedema": 5}),
        ("BraTS-MEN-RT-0001-1", (1,), {"tumour": 2}),
    ],
)
@pytest.mark.parametrize("dtype", ["u1", "i2", "f4"])
def test_each_edition(
    tmp_path: Path, case: str, numbers: tuple[int, ...], voxels: dict[str, int], dtype: str
) -> None:
    write(tmp_path, {case: numbers}, dtype=dtype)
    assert arrived(tmp_path) == {case: voxels}
    assert meant(tmp_path).notes == ()


def test_the_name_may_be_that_of_the_mask_or_of_a_folder_above(tmp_path: Path) -> None:
    write(tmp_path, {"1": (1, 2, 3, 4)}, seg="BraTS-PED-00002-000-seg.nii")
    write(tmp_path, {"BraTS-PED-00003-000/MR": (1, 4)})
    assert {row.label_set for row in meant(tmp_path).records} == {"brats_ped"}


def test_a_case_without_oedema_among_others_of_children(tmp_path: Path) -> None:
    """The set tells the year: in 2023, 4 was none of its numbers."""
    write(tmp_path, {"BraTS-PED-00001-000": (1, 2, 3), "BraTS-PED-00002-000": (4,)})
    assert arrived(tmp_path)["BraTS-PED-00001-000"] == {
        "enhancing": 2,
        "non_enhancing": 3,
        "cyst": 4,
        "oedema": 0,
    }


def test_children_of_2023_or_of_later_years_are_asked_for(tmp_path: Path) -> None:
    write(tmp_path, {"BraTS-PED-00001-000": (1, 2, 3), "BraTS-PED-00002-000": (2,)})
    sentence = refusal(tmp_path)
    assert sentence.startswith(
        "the masks of BraTS-PED hold labels 1, 2 and 3, which meant other things in another year; "
        "set ingest.labels to what they mean: brats ("
    )
    assert "brats_ped (1 enhancing, 2 non_enhancing, 3 cyst, 4 oedema)" in sentence
    assert "tumour" not in sentence  # three numbers are not one
    of_2023 = arrived(tmp_path, "brats")
    assert of_2023["BraTS-PED-00001-000"] == {"necrosis": 2, "oedema": 3, "enhancing": 4}


@pytest.mark.parametrize(
    ("cases", "what"),
    [
        (
            {"BraTS20_Training_001": (1, 2, 3)},
            "BraTS20_Training_001/seg.nii holds labels 1, 2 and 3, and BraTS 2017 to 2021 has labels 1, 2 "
            "and 4",
        ),
        (
            {"BraTS-GLI-00000-000": (1, 2, 3), "BraTS-GLI-00001-000": (2, 4)},
            "BraTS-GLI-00001-000/seg.nii holds labels 2 and 4, and BraTS since 2023 has labels 1, 2 and 3",
        ),
        (
            {"someone": (3, 4)},
            "someone/seg.nii holds labels 3 and 4, and BraTS has labels 1, 2 and 4 or labels 1, 2 and 3",
        ),
        (
            {"a": (1, 2, 3), "b": (1, 2, 4)},
            "the masks together hold labels 1, 2, 3 and 4, and BraTS has labels 1, 2 and 4 or labels 1, 2 "
            "and 3",
        ),
        (
            {"BraTS-MEN-RT-0001-1": (1, 2)},
            "BraTS-MEN-RT-0001-1/seg.nii holds labels 1 and 2, and BraTS-MEN-RT has label 1",
        ),
        (
            {"BraTS20_Training_001": (1,), "BraTS20_Training_002": (1,)},
            "the masks of BraTS 2017 to 2021 hold label 1 alone, as masks of a whole tumour do",
        ),
        (
            {"BraTS-GLI-00000-000": (255,)},
            "the masks of BraTS since 2023 hold label 255 alone, as masks of a whole tumour do",
        ),
    ],
)
def test_what_contradicts_the_names(tmp_path: Path, cases: dict[str, tuple[int, ...]], what: str) -> None:
    write(tmp_path, cases)
    sentence = refusal(tmp_path)
    assert sentence.startswith(f"{what}; set ingest.labels to what they mean: ")
    choices = sentence.rpartition("mean: ")[2]
    for task in brats_editions.MEANINGS:  # those that are named do end the matter, others are no way out
        if f"{task.name} (" in choices:
            assert {row.label_set for row in meant(tmp_path, task.name).records} == {task.name}
        else:
            refusal(tmp_path, task.name)


def test_a_name_that_tells_nothing_is_said(tmp_path: Path) -> None:
    write(tmp_path, {"a": (1, 2, 4), "b": (2,)})
    found = meant(tmp_path)
    assert {row.label_set for row in found.records} == {"brats"}
    assert found.notes == (
        "the names of 2 cases (a, ...) tell no edition of BraTS; their labels are read as brats (1 necrosis, "
        "2 oedema, 3 enhancing, 4 enhancing); set ingest.labels if they mean something else",
    )


@pytest.mark.parametrize("number", [1, 255])
def test_one_label_is_no_necrosis(tmp_path: Path, number: int) -> None:
    write(tmp_path, {"a": (number,), "b": ()})
    assert arrived(tmp_path) == {"a": {"tumour": min(number, 9) + 1}, "b": {"tumour": 0}}
    (note,) = meant(tmp_path).notes
    assert "the masks hold one label, which is read as tumour" in note


def test_what_the_user_says_counts(tmp_path: Path) -> None:
    write(tmp_path, {"BraTS20_Training_001": (1, 2, 3)})
    assert arrived(tmp_path, "decathlon")["BraTS20_Training_001"] == {
        "necrosis": 3,
        "oedema": 2,
        "enhancing": 4,
    }
    assert meant(tmp_path, "decathlon").notes == ()
    assert refusal(tmp_path, "tumour").startswith(
        "BraTS20_Training_001/seg.nii holds labels 1, 2 and 3, and tumour (one label) has other ones; set "
    )


def test_heads_before_and_after_treatment_are_one_set(tmp_path: Path) -> None:
    """As BraTS-GLI of 2025: before treatment the same three numbers mean the same."""
    write(tmp_path, {"BraTS-GLI-00000-000": (1, 2, 3), "BraTS-GLI-00005-100": (2, 4)})
    found = meant(tmp_path)
    assert {row.label_set for row in found.records} == {"brats2024"}
    assert found.notes == ("cases from before treatment (1) are read as brats2024 too, without a cavity",)
    assert arrived(tmp_path)["BraTS-GLI-00000-000"]["enhancing"] == 4


def test_masks_that_cannot_be_read_or_hold_other_numbers_are_left_to_validation(tmp_path: Path) -> None:
    write(tmp_path, {"BraTS20_Training_001": (1, 2, 4, 7), "BraTS20_Training_002": (1, 2)})
    damaged = tmp_path / "BraTS20_Training_002" / "seg.nii"
    damaged.write_bytes(damaged.read_bytes()[:360])
    assert {row.label_set for row in meant(tmp_path).records} == {"brats"}
    assert mask_numbers.within(damaged) == frozenset()


@settings(max_examples=30)
@given(
    st.lists(st.sampled_from([0, 1, 2, 3, 4, 255]), min_size=4, max_size=24),
    st.sampled_from(["<u1", "<i2", "<f4"]),
)
def test_numbers_are_those_of_numpy(
    tmp_path_factory: pytest.TempPathFactory, values: list[int], dtype: str
) -> None:
    mask = np.array(values[: len(values) // 4 * 4], dtype).reshape(-1, 2, 2)
    stored = mask - np.float32(0.001) if dtype == "<f4" else mask  # as resampling leaves them
    path = volumes.save(tmp_path_factory.mktemp("masks") / "seg.nii", stored)
    assert mask_numbers.within(path) == frozenset(np.unique(mask).astype(int).tolist()) - {0}


@pytest.mark.parametrize("task", brats_editions.MEANINGS, ids=lambda task: task.name)
def test_every_class_comes_back_from_the_regions_of_its_meaning(task: Task) -> None:
    """Else a model would tell the volume of one of them as 0, whatever it saw."""
    truth = np.random.default_rng(0).integers(0, len(task.classes) + 1, (2, 6, 6))
    levels = np.stack([np.isin(truth, own) * np.uint8(200) for own in task.regions.values()], axis=1)
    rule = Rule(dict.fromkeys(task.regions, 0.5), "none", dict.fromkeys(task.regions, 0.0))
    np.testing.assert_array_equal(label_map.of(levels, task.regions, rule, 1.0), truth)
