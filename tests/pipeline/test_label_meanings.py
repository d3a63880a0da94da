"""Masks whose numbers mean other things in other editions go through the stages as the tissues they are."""

import json
from pathlib import Path

import numpy as np
import pytest

from stages import augment, evaluate, export, ingest, preprocess, report, split, train, validate
from stages.core import tables
from stages.core.errors import UserError
from stages.project import params
from stages.project.params import Params
from stages.project.paths import Paths
from stages.store import shards
from tests.fixtures import volumes
from tests.pipeline.import_graph import ROOT

SLICES, SIDE = 4, 64


def write(root: Path, name: str, patient: int, classes: dict[int, int]) -> np.ndarray:
    """A case with the files of 2023; `classes`: its numbers for necrosis (1), oedema (2), enhancing (3)."""
    anatomy = volumes.case(SLICES, SIDE, seed=(0, patient), enhancing=3)
    seg = anatomy["seg"].copy()
    for tissue, number in classes.items():
        seg[anatomy["seg"] == tissue] = number
    seg[0, 1:4, 1:9] = 4 if 4 not in classes.values() else 3  # what the anatomy has not: a cavity, or a cyst
    for role in ("flair", "t1ce", "seg"):
        volumes.save(
            root / name / volumes.file_name(2023, name, role), seg if role == "seg" else anatomy[role]
        )
    return seg


def shipped(location: Path) -> Params:
    everything = params.read(ROOT / "params.yaml")
    chosen = {"source": "brats", "location": str(location), "limit": None}
    return everything.model_copy(update={"ingest": everything.ingest.model_copy(update=chosen)})


def stored(paths: Paths) -> tuple[shards.Meta, dict[str, int]]:
    store = shards.open_store(paths.slices)
    counts = np.bincount(store.masks(np.arange(len(store.index))).ravel(), minlength=5)
    return store.meta, {name: int(counts[number]) for number, name in store.meta.classes.items()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("names", "classes", "extra"),
    [
        ("BraTS-PED-{:05d}-000", {1: 2, 2: 4, 3: 1}, "cyst"),
        ("BraTS-GLI-{:05d}-100", {1: 1, 2: 2, 3: 3}, "resection_cavity"),
    ],
)
def test_four_classes_come_to_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: str, classes: dict[int, int], extra: str
) -> None:
    for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT"):
        monkeypatch.delenv(name, raising=False)
    masks = [write(tmp_path / "scans", names.format(n), n, classes) for n in range(1, 7)]
    chosen, paths = shipped(tmp_path / "scans"), Paths(tmp_path / "project")
    ingest.run(chosen.ingest, paths)
    validate.run(chosen.validate_.model_copy(update={"near_duplicate_bits": 0}), paths)
    preprocess.run(chosen.preprocess.model_copy(update={"size": SIDE, "crop": "none"}), paths)
    meta, counts = stored(paths)
    assert set(meta.classes.values()) >= {"enhancing", "oedema", extra}
    assert list(meta.regions) == ["whole_tumour", "tumour_core", "enhancing_tumour", extra]
    numbers = np.bincount(np.concatenate(masks).ravel(), minlength=5)
    assert counts["enhancing"] == numbers[classes[3]]
    assert counts["oedema"] == numbers[classes[2]]
    assert counts[extra] == 6 * 3 * 8
    split.run(chosen.split, paths)
    augment.run(chosen.augment, paths)
    train.run(chosen.train.model_copy(update={"epochs": 1, "depth": 3}), paths)
    evaluate.run(chosen.evaluate.model_copy(update={"bootstrap": 100, "tta": "none"}), paths)
    export.run(chosen.export.model_copy(update={"int8": False}), paths)
    report.run(paths)
    metrics = json.loads(paths.evaluate_metrics.read_text(encoding="utf-8"))
    assert list(metrics["test"]["regions"]) == list(meta.regions)
    assert extra in paths.card.read_text(encoding="utf-8")


def test_sets_that_mean_different_things_do_not_share_a_store(tmp_path: Path) -> None:
    write(tmp_path / "scans", "BraTS-PED-00001-000", 1, {1: 2, 2: 4, 3: 1})
    write(tmp_path / "scans", "BraTS-GLI-00001-100", 2, {1: 1, 2: 2, 3: 3})
    chosen, paths = shipped(tmp_path / "scans"), Paths(tmp_path / "project")
    ingest.run(chosen.ingest, paths)
    assert set(tables.read(tables.MANIFEST, paths.manifest)["label_set"]) == {"brats_ped", "brats2024"}
    validate.run(chosen.validate_, paths)
    with pytest.raises(UserError, match=r"in their labels \(brats2024 and brats_ped\); ingest them sep"):
        preprocess.run(chosen.preprocess, paths)


def test_folders_of_one_name_are_patients_of_the_split(tmp_path: Path) -> None:
    """Case and sample ids with "/" in them are names in tables, never of files."""
    for number in range(1, 6):
        write(tmp_path / "scans" / f"p{number}", "MR", number, {1: 1, 2: 2, 3: 3})
        seg = next((tmp_path / "scans" / f"p{number}").rglob("*seg*"))
        volumes.save(seg, np.minimum(volumes.case(SLICES, SIDE, seed=(0, number), enhancing=3)["seg"], 3))
    chosen, paths = shipped(tmp_path / "scans"), Paths(tmp_path / "project")
    ingest.run(chosen.ingest, paths)
    validate.run(chosen.validate_, paths)
    preprocess.run(chosen.preprocess.model_copy(update={"size": SIDE}), paths)
    split.run(chosen.split, paths)
    splits = tables.read(tables.SPLITS, paths.splits)
    assert set(splits["patient_id"]) == {f"p{number}" for number in range(1, 6)}
    assert set(splits["case_id"]) == {f"p{number}/MR" for number in range(1, 6)}
    assert set(splits["split"]) == {"train", "val", "test"}
