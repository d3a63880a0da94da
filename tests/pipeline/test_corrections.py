"""Corrections of a training scan and of a test scan, through every stage: the former trains, the latter "
"does not."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages import augment, evaluate, export, ingest, preprocess, report, split, train, validate
from stages.core import tables
from stages.core.record import CORRECTIONS
from stages.formats.reader import Reader
from stages.project import params
from stages.project.paths import Paths
from stages.store import shards
from tests.fixtures import corrections, scans
from tests.pipeline.import_graph import ROOT

pytestmark = pytest.mark.slow

PATIENTS, SLICES, SIDE = 8, 4, 64


def run(paths: Paths, place: Path, also: Path | None) -> None:
    """All stages, with seconds of training."""
    shipped = params.read(ROOT / "params.yaml")
    chosen: dict[str, Any] = {"source": "lgg", "location": str(place), "also": str(also) if also else None}
    ingest.run(shipped.ingest.model_copy(update=chosen), paths)
    validate.run(shipped.validate_, paths)
    preprocess.run(shipped.preprocess.model_copy(update={"size": SIDE}), paths)
    split.run(shipped.split, paths)
    augment.run(shipped.augment, paths)
    tiny = {"epochs": 1, "depth": 3, "keep": "last", "encoder": "tu-test_resnet", "encoder_weights": None}
    train.run(shipped.train.model_copy(update=tiny), paths)
    evaluate.run(shipped.evaluate.model_copy(update={"bootstrap": 100, "tta": "none"}), paths)
    export.run(shipped.export.model_copy(update={"int8": False}), paths)
    report.run(paths)


def splits(paths: Paths) -> pd.DataFrame:
    return tables.read(tables.SPLITS, paths.splits)


def stored(paths: Paths, part: str) -> dict[str, bytes]:
    """Pixels and labels of the slices of a part, by sample_id."""
    store, table = shards.open_store(paths.slices), splits(paths)
    ids = set(table.loc[table["split"] == part, "sample_id"])
    rows = np.flatnonzero(store.index["sample_id"].isin(ids))
    pairs = zip(store.images(rows), store.masks(rows), strict=True)
    names = store.index["sample_id"].iloc[rows]
    return {name: image.tobytes() + mask.tobytes() for name, (image, mask) in zip(names, pairs, strict=True)}


def correct(paths: Paths, part: str, folder: Path) -> corrections.Correction:
    """Another mask of the first scan of a part of the split, under a name that tells nothing."""
    table, manifest = splits(paths), tables.read(tables.MANIFEST, paths.manifest)
    case = table.loc[table["split"] == part, "case_id"].iloc[0]
    reader = Reader(paths.raw)
    files = manifest.loc[manifest["case_id"] == case, "image"]
    images = np.stack([reader.image(file, 0) for file in files])
    masks = np.zeros(images.shape[:3], np.uint8)
    masks[:, 20:30, 20:30] = 1
    return corrections.write(folder, f"{part}.tif", images, masks)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Paths, Paths, dict[str, corrections.Correction]]:
    """The project without and with corrections, and these by the part of the split that their scan is of."""
    root = tmp_path_factory.mktemp("corrected")
    scans.write_lgg(root / "scans", PATIENTS, SLICES, SIDE)
    plain, joined = Paths(root / "plain"), Paths(root / "joined")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT"):
            patch.delenv(name, raising=False)
        run(plain, root / "scans", None)
        made = {part: correct(plain, part, root / "also") for part in ("train", "val", "test")}
        stranger, _ = scans.volume(1, SIDE, seed=(5, 5))
        made["stranger"] = corrections.write(root / "also", "x.tif", stranger, stranger[..., 1] > 200)
        run(joined, root / "scans", root / "also")
    return plain, joined, made


def test_only_corrections_of_training_patients_and_strangers_train(
    runs: tuple[Paths, Paths, dict[str, corrections.Correction]],
) -> None:
    plain, joined, made = runs
    before, after = splits(plain), splits(joined)
    of_corrections = after[after["case_id"].str.startswith("correction-")]
    expected = {f"correction-{made[part].folder}" for part in ("train", "stranger")}
    assert set(of_corrections["case_id"]) == expected
    assert set(of_corrections["split"]) == {"train"}
    tested = set(before.loc[before["split"] != "train", "patient_id"])
    assert not tested & set(after.loc[after["split"] == "train", "group"])
    first = before.query("split == 'train'")["case_id"].iloc[0]
    gone = before[~before["sample_id"].isin(after["sample_id"])]
    assert set(gone["case_id"]) == {first}
    assert len(gone) == SLICES


def test_validation_and_test_slices_are_the_same_bit_for_bit(
    runs: tuple[Paths, Paths, dict[str, corrections.Correction]],
) -> None:
    plain, joined, _ = runs
    for part in ("val", "test"):
        assert stored(plain, part) == stored(joined, part)
        assert stored(plain, part)
    kept = set(splits(joined)["sample_id"])
    before = [row for row in splits(plain).itertuples(index=False) if row.sample_id in kept]
    after = list(splits(joined).itertuples(index=False))
    assert before == after[: len(before)]


def test_the_weights_have_learnt_from_them(
    runs: tuple[Paths, Paths, dict[str, corrections.Correction]],
) -> None:
    plain, joined, _ = runs
    assert plain.weights.read_bytes() != joined.weights.read_bytes()
    labels = stored(joined, "train")
    assert len(labels) == len(stored(plain, "train")) + 1  # the stranger's


def test_what_is_told_of_them(runs: tuple[Paths, Paths, dict[str, corrections.Correction]]) -> None:
    plain, joined, _ = runs
    metrics = [json.loads(paths.split_metrics.read_text(encoding="utf-8")) for paths in (plain, joined)]
    assert "corrections" not in metrics[0]
    assert metrics[1].pop("corrections") == {
        "train": {"cases": 2, "slices": SLICES + 1},
        "left_out": {"cases": 2, "slices": 2 * SLICES},
        "replaced": SLICES,
    }
    assert (metrics[1]["leaky"], metrics[1]["leaking_test_slices"]) == (False, 0)
    assert metrics[1]["test"] == metrics[0]["test"]
    assert metrics[1]["patients_known"]
    evaluated = [json.loads(paths.evaluate_metrics.read_text(encoding="utf-8")) for paths in (plain, joined)]
    assert [one["patients_known"] for one in evaluated] == [True, True]
    assert [one["leaky"] for one in evaluated] == [False, False]
    sentence = (
        "of 2 scans whose masks people accepted or corrected, in the place of 4 slices of the set; 2 such"
    )
    for text in (joined.card, joined.report):
        assert sentence in text.read_text(encoding="utf-8")
    for text in (plain.card, plain.report):
        assert "accepted or corrected" not in text.read_text(encoding="utf-8")
    validated = json.loads(joined.validate_metrics.read_text(encoding="utf-8"))
    assert validated["corrections"] == {"cases": 4, "slices": 3 * SLICES + 1}
    assert validated["findings"]["critical"] == 0
    assert set(tables.read(tables.MANIFEST, joined.manifest)["source"]) == {"lgg", CORRECTIONS}
