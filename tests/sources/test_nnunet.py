"""The layouts of nnU-Net and of the Decathlon: what is read of them, and every way to be wrong."""

import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from stages.core.errors import UserError
from stages.sources import ingestion, nnunet, sources
from tests.fixtures import layouts, volumes
from tests.fixtures.layouts import pixels

NAMES = "FLAIR;T1w;T1gd"


holding = partial(layouts.holding, "nnunet")
refusal = partial(layouts.refusal, "nnunet")


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("place", ["", "nnUNet_raw/Dataset001_GLI"])
def test_a_row_a_slice_with_the_sequences_in_their_order(tmp_path: Path, together: bool, place: str) -> None:
    layouts.write_nnunet(tmp_path / place, cases=11, together=together)
    scans = holding(tmp_path)
    assert len(scans.records) == 11 * 4
    assert list(dict.fromkeys(row.case_id for row in scans.records)) == [
        layouts.case_name(patient) for patient in range(1, 12)
    ]
    for patient in (1, 11):
        anatomy = volumes.case(4, 64, seed=(0, patient), enhancing=3)
        (row,) = [row for row in scans.records if row.sample_id == f"{layouts.case_name(patient)}_002"]
        assert (row.modalities, row.channels, row.spacing_mm) == (NAMES, 3, "1;1;1")
        image, mask = pixels(tmp_path, row)
        for channel, role in enumerate(layouts.SEQUENCES.values()):
            np.testing.assert_array_equal(image[..., channel], anatomy[role][2])
        np.testing.assert_array_equal(mask, anatomy["seg"][2])


def test_what_labels_mean(tmp_path: Path) -> None:
    layouts.write_nnunet(tmp_path)
    (label_set,) = {row.label_set for row in holding(tmp_path).records}
    assert sources.task(label_set).classes == {1: "necrosis", 2: "oedema", 3: "enhancing"}
    assert sources.task(label_set).exclusive
    layouts.write_nnunet(tmp_path, labels=layouts.REGIONS)
    (label_set,) = {row.label_set for row in holding(tmp_path).records}
    assert sources.task(label_set).regions == {"whole_tumour": [1, 2, 3], "core": [1, 3], "enhancing": [3]}


@pytest.mark.parametrize("broken", [{"labels": None}, {"labels": {"a": 1, "ignore": 2}}, {}])
def test_the_user_may_say_what_labels_mean(tmp_path: Path, broken: dict[str, Any]) -> None:
    layouts.write_nnunet(tmp_path, **broken)
    (label_set,) = {row.label_set for row in holding(tmp_path, labels="decathlon").records}
    assert label_set == "decathlon"
    (label_set,) = {
        row.label_set for row in holding(tmp_path, labels={"core": [1, 3], "all": [1, 2, 3]}).records
    }
    assert sources.task(label_set).regions == {"core": [1, 3], "all": [1, 2, 3]}


def test_the_user_may_name_the_channels(tmp_path: Path) -> None:
    layouts.write_nnunet(tmp_path, channel_names=None)
    assert refusal(tmp_path).startswith("dataset.json: channel_names must have a name for each channel")
    assert {row.modalities for row in holding(tmp_path, channels=["a", "b", "c"]).records} == {"a;b;c"}


def test_names_of_channels_are_cells_of_a_table(tmp_path: Path) -> None:
    layouts.write_nnunet(tmp_path, channel_names={"1": "T1; 3 mm", "0": " FLAIR ", "2": "T1gd"})
    assert {row.modalities for row in holding(tmp_path).records} == {"FLAIR;T1_3_mm;T1gd"}


def test_visits_of_a_patient_stay_together(tmp_path: Path) -> None:
    layouts.write_nnunet(tmp_path, cases=2)
    for number, case in enumerate(("sub-7_ses-1", "sub-7_ses-2"), 1):
        for path in [*tmp_path.rglob(f"{layouts.case_name(number)}*")]:
            path.rename(path.with_name(path.name.replace(layouts.case_name(number), case)))
    scans = holding(tmp_path)
    assert {row.patient_id for row in scans.records} == {"sub-7"}
    assert not scans.notes


def test_a_table_of_patients(tmp_path: Path) -> None:
    layouts.write_nnunet(tmp_path, cases=2)
    (note,) = holding(tmp_path).notes
    assert note.startswith("dataset.json does not tell patients, so each of the 2 cases counts as one")
    lines = [f"{layouts.case_name(number)},Jo" for number in (1, 2)]
    (tmp_path / "patients.csv").write_text("\n".join(["file,patient", *lines]), encoding="utf-8")
    scans = holding(tmp_path)
    assert {row.patient_id for row in scans.records} == {"Jo"}
    assert not scans.notes


def test_images_without_a_label_are_left_out_and_said(tmp_path: Path) -> None:
    layouts.write_nnunet(tmp_path)
    (tmp_path / "labelsTr" / f"{layouts.case_name(2)}.nii.gz").unlink()
    scans = holding(tmp_path)
    assert len({row.case_id for row in scans.records}) == 2
    assert scans.notes[0] == f"images without a label left out: 3 ({layouts.case_name(2)}_0000, " + (
        f"{layouts.case_name(2)}_0001, ...)"
    )


@pytest.mark.parametrize("numbers", [[1], [0, 1, 2]])
def test_a_sequence_that_is_missing_is_left_to_validation(tmp_path: Path, numbers: list[int]) -> None:
    layouts.write_nnunet(tmp_path)
    for number in numbers:
        (tmp_path / "imagesTr" / f"{layouts.case_name(1)}_{number:04d}.nii.gz").unlink()
    row = next(row for row in holding(tmp_path).records if row.case_id == layouts.case_name(1))
    with pytest.raises(UserError, match=r"modality .* is missing"):
        pixels(tmp_path, row)


def test_another_number_of_volumes_than_of_names(tmp_path: Path) -> None:
    layouts.write_nnunet(tmp_path, together=True, modality={"0": "FLAIR", "1": "T1w"})
    row = holding(tmp_path).records[0]
    with pytest.raises(UserError, match=r"it has 3 channels, and 2 are named \(FLAIR, T1w\)"):
        pixels(tmp_path, row)


def test_pictures_of_a_slice(tmp_path: Path) -> None:
    """As nnU-Net keeps natural images: one file in colours for three channels."""
    layouts.write_nnunet(tmp_path, cases=0, file_ending=".png", channel_names={"0": "R", "1": "G", "2": "B"})
    random = np.random.default_rng(0)
    for folder in ("imagesTr", "labelsTr"):
        (tmp_path / folder).mkdir()
    colours, mask = random.integers(0, 255, (16, 12, 3), np.uint8), random.integers(0, 4, (16, 12), np.uint8)
    Image.fromarray(colours).save(tmp_path / "imagesTr/a_0000.png")
    Image.fromarray(mask).save(tmp_path / "labelsTr/a.png")
    (row,) = holding(tmp_path).records
    image, classes = pixels(tmp_path, row)
    np.testing.assert_array_equal(image, colours)
    np.testing.assert_array_equal(classes, mask)


@pytest.mark.parametrize(
    ("said", "what"),
    [
        (
            {"labels": None},
            "dataset.json: no label is named but the background; correct the file or set ingest.l",
        ),
        ({"labels": []}, "dataset.json: labels must have a name for each number"),
        ({"labels": {"a": 1, "ignore": 2}}, "dataset.json: label 2 is 'ignore'"),
        (
            {"channel_names": {"1": "a", "2": "b"}},
            "dataset.json: channel_names must have a name for each channel",
        ),
        (
            {"channel_names": ["a"]},
            "dataset.json: channel_names must have a name for each channel, counted from 0",
        ),
        ({"channel_names": {"0": "a", "1": "a"}}, "dataset.json: its channels are called a, a; give each"),
        (
            {"channel_names": {"0": "a", "1": "b"}},
            "imagesTr/GLI_001_0002.nii.gz is there, and 2 channels are named",
        ),
        (
            {"file_ending": ".mha"},
            "dataset.json: files that end in '.mha' are not read; convert them to .nii.gz",
        ),
        ({"file_ending": 3}, "dataset.json: files that end in '3' are not read"),
        ({"file_ending": ".nii"}, "labelsTr holds no file that ends in .nii; check ingest.location"),
        ({"dataset": {}}, "dataset.json lists its files itself, under the key dataset, which is not read"),
    ],
)
def test_what_dataset_json_must_say(tmp_path: Path, said: dict[str, Any], what: str) -> None:
    layouts.write_nnunet(tmp_path, **said)
    assert refusal(tmp_path).startswith(what)


def test_none_or_several_data_sets(tmp_path: Path) -> None:
    layouts.write_nnunet(tmp_path / "Dataset001")
    shutil.copytree(tmp_path / "Dataset001", tmp_path / "Dataset002")
    assert refusal(tmp_path).startswith("Dataset001 and Dataset002 are both data sets; set ingest.location")
    shutil.rmtree(tmp_path / "Dataset001")
    shutil.rmtree(tmp_path / "Dataset002" / "labelsTr")
    assert refusal(tmp_path).startswith("no dataset.json was found; set ingest.location to the folder")


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff"])
def test_a_damaged_dataset_json(tmp_path: Path, content: bytes) -> None:
    layouts.write_nnunet(tmp_path)
    (tmp_path / "dataset.json").write_bytes(content)
    assert refusal(tmp_path).startswith("dataset.json is n")


def test_numbers_that_dataset_json_does_not_have_are_left_to_validation(tmp_path: Path) -> None:
    layouts.write_nnunet(tmp_path, labels={"background": 0, "core": [1, 3]})
    rows = [row for row in holding(tmp_path).records if row.slice > 0]
    with pytest.raises(UserError, match="the mask holds label 2, known are 0, 1, 3"):
        pixels(tmp_path, rows[0])


def test_a_mapping_of_labels_is_for_sources_that_have_no_meaning_of_their_own(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="which source lgg does not take; choose null or tumour"):
        ingestion.finder(sources.SOURCES["lgg"], None, None, {"a": 1})
    with pytest.raises(
        UserError, match=r"ingest\.labels: label 'a' has no number from 0 to 254; correct it in p"
    ):
        ingestion.finder(nnunet.NNUNET, None, None, {"a": 999})
    with pytest.raises(
        UserError, match=r"ingest\.channels is for volumes .*; set it to null for ingest.source: lgg"
    ):
        ingestion.finder(sources.SOURCES["lgg"], None, ["a"], None)


def test_only_what_training_needs_is_brought(tmp_path: Path) -> None:
    layouts.write_nnunet(tmp_path / "in")
    for name in ("imagesTs/GLI_009_0000.nii.gz", "README.md", "imagesTr/.hidden.nii.gz"):
        (tmp_path / "in" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "in" / name).write_bytes(b"")
    (tmp_path / "raw").mkdir()
    ingestion.bring(nnunet.NNUNET, tmp_path / "in", tmp_path / "raw", None, 0)
    names = {path.relative_to(tmp_path / "raw").as_posix() for path in (tmp_path / "raw").rglob("*.*")}
    assert len(names) == 1 + 3 * 4
    assert not [name for name in names if "Ts" in name or "hidden" in name]
    assert json.loads((tmp_path / "raw/dataset.json").read_text())["numTraining"] == 3
