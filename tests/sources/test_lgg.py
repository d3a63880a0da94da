"""The LGG layout: which files are slices, whose they are, and in which order."""

import os
import random
import shutil
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from stages.core import natural, traits
from stages.core.errors import UserError
from stages.sources import lgg
from tests.fixtures import scans


def test_slices_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    scans.write_lgg(tmp_path, patients=2, slices=12)
    found = lgg.find(tmp_path).records
    assert [record.slice for record in found] == [*range(1, 13)] * 2
    first, tenth = found[0], found[9]
    case = scans.case_name(0)
    assert first.sample_id == f"{case}_1"
    assert tenth.sample_id == f"{case}_10"
    assert tenth.image == f"kaggle_3m/{case}/{case}_10.tif"
    assert tenth.mask == f"kaggle_3m/{case}/{case}_10_mask.tif"
    assert (tenth.height, tenth.width, tenth.channels) == (64, 64, 3)
    assert tenth.modalities == "pre;flair;post"
    assert (tenth.case_id, tenth.patient_id) == (case, "TCGA_CS_4900")


def test_every_record_names_files_that_exist_and_no_file_twice(tmp_path: Path) -> None:
    scans.write_lgg(tmp_path)
    named = [name for record in lgg.find(tmp_path).records for name in (record.image, record.mask)]
    assert sorted(named) == sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.tif"))


def test_the_second_copy_of_the_set_is_not_counted(tmp_path: Path) -> None:
    """The Kaggle download holds everything twice, in kaggle_3m/ and lgg-mri-segmentation/kaggle_3m/."""
    scans.write_lgg(tmp_path)
    once = lgg.find(tmp_path).records
    shutil.copytree(tmp_path / "kaggle_3m", tmp_path / "lgg-mri-segmentation" / "kaggle_3m")
    assert lgg.find(tmp_path).records == once


def test_two_scans_of_a_patient_are_one_patient(tmp_path: Path) -> None:
    images, masks = scans.volume(2)
    for case in ("TCGA_DU_5854_19951104", "TCGA_DU_5854_19970101", "TCGA_DU_5855_19951217", "someone"):
        scans.write_slice(tmp_path, case, 1, images[1], masks[1])
    patients = {record.case_id: record.patient_id for record in lgg.find(tmp_path).records}
    assert patients == {
        "TCGA_DU_5854_19951104": "TCGA_DU_5854",
        "TCGA_DU_5854_19970101": "TCGA_DU_5854",
        "TCGA_DU_5855_19951217": "TCGA_DU_5855",
        "someone": "someone",
    }


def test_halves_of_a_pair_are_listed_for_validation_to_judge(tmp_path: Path) -> None:
    images, masks = scans.volume(3)
    scans.write_slice(tmp_path, "a", 1, images[1], None)
    scans.write_slice(tmp_path, "a", 2, None, masks[1])
    scans.write_slice(tmp_path, "a", 3, images[2], masks[2])
    (tmp_path / "a" / "a_3.tif").write_bytes(b"damaged")
    one, two, three = lgg.find(tmp_path).records
    assert (one.image, one.mask) == ("a/a_1.tif", "")
    assert (two.image, two.mask, two.channels) == ("", "a/a_2_mask.tif", 0)
    assert (three.width, three.height, three.channels) == (0, 0, 0)
    assert {record.modalities for record in (one, two, three)} == {"pre;flair;post"}


@pytest.mark.parametrize(
    ("channels", "names"), [(1, "gray"), (2, "channel1;channel2"), (3, "pre;flair;post")]
)
def test_only_three_channels_are_the_sequences_of_the_set(tmp_path: Path, channels: int, names: str) -> None:
    image = np.zeros((16, 16, channels), np.uint8).squeeze()
    (tmp_path / "a").mkdir()
    tifffile.imwrite(
        tmp_path / "a" / "a_1.tif",
        image,
        photometric="rgb" if channels == 3 else "minisblack",
        planarconfig="contig",
    )
    (record,) = lgg.find(tmp_path).records
    assert (record.channels, record.modalities) == (channels, names)


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("kaggle_3m/TCGA_CS_4941_19960909/TCGA_CS_4941_19960909_1.tif", True),
        ("kaggle_3m/TCGA_CS_4941_19960909/TCGA_CS_4941_19960909_10_mask.TIFF", True),
        ("kaggle_3m/data.csv", True),
        ("kaggle_3m/README.md", False),
        ("kaggle_3m/overview.tif", False),
        ("kaggle_3m/x_1.tif.exe", False),
        ("kaggle_3m/x_1_mask_mask.tif", False),
    ],
)
def test_which_files_are_taken(name: str, taken: bool) -> None:
    assert lgg.belongs(PurePosixPath(name)) is taken


def test_a_folder_without_slices(tmp_path: Path) -> None:
    (tmp_path / "holiday.tif").write_bytes(b"")
    scans.write_slice(tmp_path, "a", 1, None, np.zeros((8, 8), np.uint8))
    with pytest.raises(UserError) as refused:
        lgg.find(tmp_path)
    assert str(refused.value) == ("no <case>_<number>.tif was found; check ingest.source and ingest.location")


def test_two_files_of_one_number(tmp_path: Path) -> None:
    for name in ("1", "01"):
        scans.write_slice(tmp_path, "a", 1, np.zeros((8, 8, 3), np.uint8), None)
        (tmp_path / "a" / "a_1.tif").rename(tmp_path / "a" / f"a_{name}_.tif")
    for name in ("1", "01"):
        (tmp_path / "a" / f"a_{name}_.tif").rename(tmp_path / "a" / f"a_{name}.tif")
    with pytest.raises(UserError) as refused:
        lgg.find(tmp_path)
    told = "a/a_01.tif and a/a_1.tif are both the image of one slice; rename or remove one"
    assert str(refused.value) == told


def test_a_scan_tells_its_site(tmp_path: Path) -> None:
    for case in ("TCGA_CS_4941_19960909", "SAMPLE_AR_1000_20060815", "mine_1"):
        scans.write_slice(tmp_path, case, 1, np.zeros((8, 8, 3), np.uint8), None)
    sites = {one.case_id: one.site for one in lgg.find(tmp_path).records}
    assert sites == {"TCGA_CS_4941_19960909": "CS", "SAMPLE_AR_1000_20060815": "AR", "mine_1": ""}


def test_the_table_of_patients_tells_traits_as_it_writes_them(tmp_path: Path) -> None:
    for case in ("TCGA_CS_4941_19960909", "TCGA_DU_7013_19860523", "TCGA_HT_7680_19970202"):
        scans.write_slice(tmp_path, case, 1, np.zeros((8, 8, 3), np.uint8), None)
    (tmp_path / "data.csv").write_text(
        "Patient,gender,age_at_initial_pathologic,neoplasm_histologic_grade\n"
        "TCGA_CS_4941,2,67,2\nTCGA_DU_7013,1,,\n"
    )
    by_patient = {row.patient_id: traits.parse(row.traits) for row in lgg.find(tmp_path).records}
    assert by_patient == {
        "TCGA_CS_4941": {"gender": "2", "grade": "2", "age": "60 or more"},
        "TCGA_DU_7013": {"gender": "1"},
        "TCGA_HT_7680": {},
    }


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"a,b\n1,2\n"])
def test_a_table_of_patients_that_is_none_is_told(tmp_path: Path, content: bytes) -> None:
    scans.write_slice(tmp_path, "TCGA_CS_4941_19960909", 1, np.zeros((8, 8, 3), np.uint8), None)
    (tmp_path / "data.csv").write_bytes(content)
    holding = lgg.find(tmp_path)
    assert holding.records[0].traits == ""
    assert "data.csv is no table of patients with a column Patient" in holding.notes[0]


def test_the_real_set(lgg_folder: Path) -> None:
    found = lgg.find(lgg_folder).records
    assert len(found) == 20 + 21 + 36
    assert len({record.patient_id for record in found}) == 3
    assert all(record.image and record.mask for record in found)
    assert {(record.height, record.width, record.channels) for record in found} == {(256, 256, 3)}
    slices = [record.slice for record in found if record.patient_id == "TCGA_CS_4943"]
    assert slices == list(range(1, 21))


@given(numbers=st.lists(st.integers(0, 10**6), unique=True), seed=st.integers())
def test_natural_order_is_numeric_order(numbers: list[int], seed: int) -> None:
    names = [f"case_{number}.tif" for number in sorted(numbers)]
    shuffled = random.Random(seed).sample(names, len(names))
    assert sorted(shuffled, key=natural.key) == names


@given(st.lists(st.text(alphabet="ab01²٣ _", max_size=6)))
def test_any_names_can_be_ordered(names: list[str]) -> None:
    assert len(sorted(names, key=natural.key)) == len(names)


def twice(root: Path) -> tuple[str, str]:
    """A set whose second copy differs from the first by what a test does to it."""
    scans.write_lgg(root, patients=2, slices=3, size=32)
    shutil.copytree(root / "kaggle_3m", root / "more" / "kaggle_3m")
    case = scans.case_name(1)
    return f"kaggle_3m/{case}", f"more/kaggle_3m/{case}"


def test_two_patients_in_folders_of_one_name(tmp_path: Path) -> None:
    one, other = twice(tmp_path)
    images, masks = scans.volume(3, 32, seed=99)
    scans.write_slice(tmp_path / "more" / "kaggle_3m", scans.case_name(1), 2, images[1], masks[1])
    with pytest.raises(UserError) as refused:
        lgg.find(tmp_path)
    case = scans.case_name(1)
    assert str(refused.value) == (
        f"{one} and {other} are both case {case}, and {case}_2.tif differs; rename one with its files if "
        "they are two scans, else remove one"
    )


def test_a_copy_of_the_same_size_and_time_that_differs_in_one_pixel(tmp_path: Path) -> None:
    one, other = twice(tmp_path)
    path = tmp_path / other / f"{scans.case_name(1)}_3_mask.tif"
    first = tmp_path / one / path.name
    content = bytearray(first.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    for file in (first, path):
        os.utime(file, (0, 0))
    with pytest.raises(UserError, match=r"_3_mask\.tif differs; rename one with its files"):
        lgg.find(tmp_path)


def test_a_second_folder_with_more_slices_than_the_first(tmp_path: Path) -> None:
    one, other = twice(tmp_path)
    path = tmp_path / one / f"{scans.case_name(1)}_3.tif"
    path.unlink()
    with pytest.raises(UserError) as refused:
        lgg.find(tmp_path)
    assert f"are both case {scans.case_name(1)}, and {path.name} is only in {other}; " in str(refused.value)


def test_a_second_copy_that_lacks_slices_is_a_copy(tmp_path: Path) -> None:
    _, other = twice(tmp_path)
    before = lgg.find(tmp_path).records
    (tmp_path / other / f"{scans.case_name(1)}_3.tif").unlink()
    assert lgg.find(tmp_path).records == before
