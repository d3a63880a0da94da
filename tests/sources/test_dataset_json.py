"""What a dataset.json says of the labels, in either way to write it, and what is refused."""

import json
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from stages.core.errors import UserError
from stages.sources import brats, dataset_json
from tests.fixtures.brats_masks import arrived, meant, refusal, write

pytestmark = pytest.mark.usefixtures("without_processes")
DECATHLON = {"0": "background", "1": "edema", "2": "non-enhancing tumor", "3": "enhancing tumour"}
WORDS = {"background": 0, "necrosis": 1, "edema": 2, "enhancing tumor": 3}
REGIONS = {"background": 0, "whole tumor": [1, 2, 3], "tumor core": [2, 3], "enhancing tumor": [3]}


def said(root: Path, labels: Any) -> str:
    """The label set of a case with labels 1, 2 and 3 below a dataset.json."""
    write(root, {"BraTS20_Training_001": (1, 2, 3)})
    (root / "dataset.json").write_text(json.dumps({"labels": labels}), encoding="utf-8")
    (label_set,) = {row.label_set for row in meant(root).records}
    return label_set


@pytest.mark.parametrize(
    ("labels", "label_set"),
    [
        (DECATHLON, "decathlon"),
        (WORDS, "brats"),
        (REGIONS, "decathlon"),
        ({"whole_tumor": [1, 2, 3], "tumor_core": [1, 3], "enhancing_tumor": 3}, "brats"),
        ({"WT": [1, 2, 3, 4], "TC": [1, 2, 3], "ET": [1]}, "brats_ped"),
        ({"whole_tumor": [1, 2, 3, 4], "tumor_core": [1, 2, 3], "enhancing_tumor": 1}, "brats_ped"),
        ({"ET": 1, "NonEnh": 2, "Cystic": 3, "Edema": 4}, "brats_ped"),
        ({"1": "NETC", "2": "SNFH", "3": "ET", "4": "RC"}, "brats2024"),
        ({"1": "Surrounding Non-enhancing FLAIR Hyperintensity", "2": "NCR/NET", "3": "ET"}, "decathlon"),
        ({"1": "necrosis", "2": "oedema", "3": "non-enhancing", "4": "enhancing"}, "brats2015"),
    ],
)
def test_names_of_labels(tmp_path: Path, labels: dict[str, Any], label_set: str) -> None:
    assert said(tmp_path, labels) == label_set
    (note,) = meant(tmp_path).notes
    assert note == f"the labels of cases (1) mean what dataset.json says: {label_set}"


def test_each_number_arrives_as_the_tissue_that_it_names(tmp_path: Path) -> None:
    said(tmp_path, DECATHLON)
    assert arrived(tmp_path) == {"BraTS20_Training_001": {"necrosis": 3, "oedema": 2, "enhancing": 4}}


def test_one_label(tmp_path: Path) -> None:
    write(tmp_path, {"BraTS20_Training_001": (1,)})
    for labels in ({"background": 0, "tumor": 1}, {"whole tumour": 1}, {"0": "bg", "1": "lesion"}):
        (tmp_path / "dataset.json").write_text(json.dumps({"labels": labels}), encoding="utf-8")
        assert {row.label_set for row in meant(tmp_path).records} == {"tumour"}


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"{", "dataset.json is not readable JSON"),
        (b"\xff\xfe", "dataset.json is not readable JSON"),
        (b"[" * 100_000, "dataset.json is not readable JSON"),
        (b"[]", "dataset.json is no dataset.json: it has no keys"),
        (b'{"labels": []}', "dataset.json: labels must have a name for each number"),
        (b'{"labels": {}}', "dataset.json: labels must have a name for each number"),
        (b'{"labels": {"background": 0}}', "dataset.json: it names no label but the background"),
        (b'{"labels": {"edema": "x"}}', "dataset.json: label 'edema' has no number"),
        (b'{"labels": {"edema": true}}', "dataset.json: label 'edema' has no number"),
        (b'{"labels": {"edema": [1, null]}}', "dataset.json: label 'edema' has no number"),
        (b'{"labels": {"edema": -1}}', "dataset.json: label 'edema' has no number"),
        (
            b'{"labels": {"1": "ventricle"}}',
            "dataset.json: it calls label 1 'ventricle', a name that is not known here",
        ),
        (
            b'{"labels": {"edema": 1, "cyst": 1}}',
            "dataset.json: it calls label 1 both cyst and oedema",
        ),
        (
            b'{"labels": {"1": "edema", "2": "enhancing tumor", "3": "necrosis"}}',
            "dataset.json has labels that no known set has (1 oedema, 2 enhancing, 3 necrosis)",
        ),
        (
            b'{"labels": {"necrosis": 1, "edema": 2}}',
            "dataset.json has labels that no known set has (1 necrosis, 2 oedema)",
        ),
    ],
)
def test_what_is_refused_and_that_the_user_may_say_it(tmp_path: Path, content: bytes, what: str) -> None:
    write(tmp_path, {"BraTS20_Training_001": (1, 2, 3)})
    (tmp_path / "dataset.json").write_bytes(content)
    assert refusal(tmp_path) == f"{what}; correct the file or set ingest.labels"
    assert {row.label_set for row in meant(tmp_path, "decathlon").records} == {"decathlon"}


def test_a_file_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset_json, "MAX_BYTES", 10)
    with pytest.raises(UserError, match=r"^dataset\.json is larger than the 0 MiB that are allowed; correct"):
        said(tmp_path, WORDS)


def test_numbers_that_it_does_not_name(tmp_path: Path) -> None:
    write(tmp_path, {"BraTS20_Training_001": (1, 2, 4)})
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": WORDS}), encoding="utf-8")
    assert refusal(tmp_path).startswith(
        "BraTS20_Training_001/seg.nii holds labels 1, 2 and 4, and dataset.json has labels 1, 2 and 3; set"
    )


def test_the_nearest_file_counts_and_one_that_says_nothing_of_labels_does_not(tmp_path: Path) -> None:
    write(tmp_path, {"a/one": (1, 2, 3), "b/two": (1, 2, 3)})
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": DECATHLON}), encoding="utf-8")
    (tmp_path / "b" / "dataset.json").write_text(json.dumps({"labels": WORDS}), encoding="utf-8")
    (tmp_path / "b" / "two" / "dataset.json").write_text('\ufeff{"training": []}', encoding="utf-8")
    assert {row.case_id: row.label_set for row in meant(tmp_path).records} == {
        "one": "decathlon",
        "two": "brats",
    }
    files = [PurePosixPath(path.relative_to(tmp_path)) for path in tmp_path.rglob("dataset.json")]
    assert files
    assert all(map(brats.belongs, files))
