"""Corrections that join another set: whose they are, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core.errors import UserError
from stages.core.record import Record
from stages.formats.reader import Reader
from stages.sources import joining, lgg
from stages.sources.nifti import LESION
from tests.fixtures import corrections, scans

KNOWN = {name: name for name in ("p1", "p12", "sub-01", "TCGA_CS_4900", "p1/MR", "7")} | {
    "TCGA_CS_4900_19960115": "TCGA_CS_4900",
    "p1_scan2": "p1",
}


@pytest.mark.parametrize(
    ("name", "whose"),
    [
        ("p1", "p1"),
        ("p1.nii.gz", "p1"),
        ("p1_flair.nii.gz", "p1"),
        ("p1 (2).png", "p1"),
        ("p12.png", "p12"),
        ("p123.png", None),
        ("xp1.png", None),
        ("P1.png", None),
        ("a/b/p1_scan2.tif", "p1"),
        ("sub-01_ses-2_FLAIR.nii.gz", "sub-01"),
        ("sub-012.nii", None),
        ("upload/TCGA_CS_4900_19960115/TCGA_CS_4900_19960115_3.tif", "TCGA_CS_4900"),
        ("TCGA_CS_4900_19960115/3.tif", "TCGA_CS_4900"),
        ("C:\\scans\\p12\\image.dcm", "p12"),
        ("2024/7.png", "7"),
        ("7/p12.png", "p12"),
        ("p1/MR/x.nii", "p1/MR"),
        ("p1/CT/x.nii", "p1"),
        ("", None),
        ("///", None),
    ],
)
def test_whose_a_scan_is_by_its_name(name: str, whose: str | None) -> None:
    assert joining.patient(name, KNOWN) == whose


@given(name=st.text(max_size=40), word=st.text("ab1_-.", min_size=1, max_size=4))
def test_any_name_is_answered_and_a_patients_own_is_found(name: str, word: str) -> None:
    joining.patient(name, {word: word})
    assert joining.patient(f"x/{word}/image.tif", {word: word}) in (word, None if word in "..." else word)


@pytest.fixture
def base(tmp_path: Path) -> tuple[Path, list[Record]]:
    """data/raw with four patients of LGG, and their rows."""
    scans.write_lgg(tmp_path / "raw", patients=4, slices=3)
    return tmp_path / "raw", lgg.find(tmp_path / "raw").records


def joined(base: tuple[Path, list[Record]], place: Path) -> tuple[list[Record], str]:
    raw, rows = base
    return joining.join(rows, place, raw)


def test_rows_below_the_raw_scans_that_are_read_there(
    base: tuple[Path, list[Record]], tmp_path: Path
) -> None:
    images, masks = scans.volume(3, seed=(0, 1))
    corrections.write(tmp_path / "also", f"{scans.case_name(1)}/x.tif", images, masks)
    corrections.write(tmp_path / "also", "stranger.tif", images[:1], masks[:1])
    rows, sentence = joined(base, tmp_path / "also")
    assert sentence == (
        "2 corrections (4 slices) join the set for training, 1 of patients of the set; of the other 1 only "
        "equal pictures tell whether they show a patient who is tested, unless patients.csv beside them "
        "(columns file and patient) tells whose they are"
    )
    of_patient = [row for row in rows if row.patient_id == base[1][4].patient_id]
    assert len(of_patient) == 3
    assert {(row.site, row.patient_known) for row in of_patient} == {("DU", True)}
    (other,) = [row for row in rows if row not in of_patient]
    assert (other.site, other.patient_known, other.patient_id) == ("", False, other.case_id)
    reader = Reader(base[0])
    for k, row in enumerate(of_patient):
        np.testing.assert_array_equal(reader.image(row.image, row.slice, row.modalities), images[k])
        np.testing.assert_array_equal(reader.mask(row.mask, row.slice) > 0, masks[k] > 0)
    everything = [*base[1], *rows]
    assert len({row.sample_id for row in everything}) == len(everything)


def test_a_table_of_patients_says_what_names_do_not(base: tuple[Path, list[Record]], tmp_path: Path) -> None:
    corrections.small(tmp_path / "also", "stranger.tif")
    (tmp_path / "also/patients.csv").write_text("file,patient\nstranger.tif,TCGA_DU_4901\n")
    rows, sentence = joined(base, tmp_path / "also")
    assert {(row.patient_id, row.site, row.patient_known) for row in rows} == {("TCGA_DU_4901", "DU", True)}
    assert sentence.endswith("(2 slices) join the set for training, 1 of patients of the set")


def a_file(raw: Path, place: Path) -> None:
    place.write_text("text")


def nothing(raw: Path, place: Path) -> None:
    place.mkdir()


def taken(raw: Path, place: Path) -> None:
    corrections.small(place)
    (raw / "corrections").mkdir()


def channels(raw: Path, place: Path) -> None:
    corrections.small(place, channels=("pre", "t2", "post"))


def task(raw: Path, place: Path) -> None:
    corrections.small(place, task=LESION)


def damaged(raw: Path, place: Path) -> None:
    (corrections.small(place) / "correction.json").write_text("{")


def link(raw: Path, place: Path) -> None:
    (corrections.small(place) / "image.nii.gz").symlink_to("nowhere")


@pytest.mark.parametrize(
    ("harm", "sentence"),
    [
        (a_file, "ingest.also {0} is no folder; set it to one that `brainseg serve --corrections` filled"),
        (
            nothing,
            "ingest.also {0}: the folder holds no scans of source corrections (<16 digits of a scan's hash>/"
            "correction.json with image and mask); check ingest.also",
        ),
        (
            taken,
            "the scans of the set have a folder corrections of their own, where those of ingest.also go; "
            "rename it, or keep it elsewhere",
        ),
        (
            channels,
            "ingest.also {0}: {1} has the channels pre, t2, post, and the scans of the set pre, flair, post; "
            "remove it from ingest.also, or join it to the set that its model was trained on",
        ),
        (
            task,
            "ingest.also {0}: {1} is of a model that segments something else: in the set and there class 1 "
            "is tumour and lesion; region tumour is made of 1 and not there; region lesion is not there and "
            "made of 1; a labelled pixel shows tumour and lesion; remove it from ingest.also, or join it to "
            "the set that its model was trained on",
        ),
        (
            damaged,
            "ingest.also {0}: {1}/correction.json: it is no readable JSON; save the mask anew in the "
            "browser, or remove this correction's folder",
        ),
        (link, "ingest.also {0}: {1}/image.nii.gz is not there: "),
    ],
)
def test_what_does_not_join(
    base: tuple[Path, list[Record]], tmp_path: Path, harm: Any, sentence: str
) -> None:
    place = tmp_path / "also"
    harm(base[0], place)
    name = next((path.name for path in place.iterdir()), "") if place.is_dir() else ""
    with pytest.raises(UserError) as refused:
        joined(base, place)
    assert str(refused.value).startswith(sentence.format(place, name))


def test_channels_may_be_some_of_the_sets_in_another_order(
    base: tuple[Path, list[Record]], tmp_path: Path
) -> None:
    images, masks = scans.volume(2)
    names = ("post", "flair")
    corrections.write(tmp_path / "also", "x.tif", images[..., [2, 1]], masks, channels=names)
    rows, _ = joined(base, tmp_path / "also")
    assert {row.modalities for row in rows} == {"post;flair"}


def test_a_set_that_calls_a_scan_as_a_correction(base: tuple[Path, list[Record]], tmp_path: Path) -> None:
    home = corrections.small(tmp_path / "also")
    case = f"correction-{home.name}"
    images, masks = scans.volume(2)
    for k in range(2):
        scans.write_slice(base[0] / "kaggle_3m", case, k, images[k], masks[k])
    with pytest.raises(UserError) as refused:
        joined((base[0], lgg.find(base[0]).records), tmp_path / "also")
    assert str(refused.value).endswith(
        f"the set has a scan called {case}, as a correction is called; rename it"
    )
