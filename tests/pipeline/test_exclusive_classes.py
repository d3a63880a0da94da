"""Five classes that exclude each other go through every stage, called from outside of their folder."""

import json

import cv2
import numpy as np
import pytest

from stages import augment, evaluate, export, preprocess, report, split, train, validate
from stages.core import record, tables
from stages.core.record import Record
from stages.inference import onnx_predictor
from stages.predicting import segmenting
from stages.project import params
from stages.project.paths import Paths
from stages.scan.task import Task
from stages.sources.sources import TASKS
from tests.fixtures import figures
from tests.pipeline.import_graph import ROOT

NAMES = ("white", "grey", "fluid", "vessel", "lesion")
TASK = Task(
    "tissues",
    classes=dict(enumerate(NAMES, 1)),
    regions={name: [number] for number, name in enumerate(NAMES, 1)},
    numbers={number: number for number in range(1, 6)},
    exclusive=True,
    noun="tissue",
)
SIDE, PATIENTS, SLICES = 64, 15, 2


def picture(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A head with five discs, each class as bright as no other; and the classes (64, 64)."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    image = np.where(np.hypot(y - 32, x - 32) < 30, 60, 0) + random.integers(0, 6, (SIDE, SIDE))
    classes = np.zeros((SIDE, SIDE), np.uint8)
    for number in range(1, 6):
        angle = 2 * np.pi * (number / 5 + random.uniform(0, 0.05))
        disc = np.hypot(y - 32 - 18 * np.sin(angle), x - 32 - 18 * np.cos(angle)) < 7
        image[disc], classes[disc] = 60 + 36 * number, number
    return image.astype(np.uint8), classes


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    """Every stage's outs, by `run(params, paths)`."""
    paths = Paths(tmp_path_factory.mktemp("project"))
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    records = []
    for patient in range(PATIENTS):
        for number in range(SLICES):
            image, classes = picture(10 * patient + number)
            names = [f"p{patient}_{number}.png", f"p{patient}_{number}_mask.png"]
            paths.raw.mkdir(parents=True, exist_ok=True)
            for name, pixels in zip(names, (image, classes), strict=True):
                cv2.imwrite(str(paths.raw / name), pixels)
            image_file, mask_file = (record.reference(name) for name in names)
            sample, scan = f"p{patient}_{number}", f"p{patient}"
            records.append(
                Record(
                    *(sample, scan, scan, number, image_file, mask_file, SIDE, SIDE, 1, ""),
                    modalities="gray",
                    label_set=TASK.name,
                    source="pairs",
                )
            )
    tables.write(tables.from_records(records), paths.manifest)
    shipped = params.read(ROOT / "params.yaml")
    # A network that learns squares of grey from nothing in seconds; photographs have nothing to teach it.
    tiny: dict[str, object] = {"epochs": 6, "batch_size": 4, "depth": 3, "lr": 5e-3, "decoder_width": 0.5}
    tiny |= {"encoder": "resnet18", "encoder_weights": None}
    with pytest.MonkeyPatch.context() as patch, figures.undrawn():
        patch.chdir(elsewhere)
        patch.setitem(TASKS, TASK.name, TASK)
        validate.run(shipped.validate_.model_copy(update={"near_duplicate_bits": 0}), paths)
        preprocess.run(shipped.preprocess.model_copy(update={"size": SIDE, "crop": "none"}), paths)
        split.run(shipped.split, paths)
        augment.run(shipped.augment, paths)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.delenv("DVC_ROOT", raising=False)
        train.run(shipped.train.model_copy(update=tiny), paths)
        evaluate.run(shipped.evaluate.model_copy(update={"bootstrap": 100, "tta": "none"}), paths)
        export.run(shipped.export.model_copy(update={"int8": False}), paths)
        report.run(paths)
    assert not list(elsewhere.iterdir())
    return paths


def test_classes_are_learnt_and_do_not_overlap(paths: Paths) -> None:
    metrics = json.loads(paths.evaluate_metrics.read_text(encoding="utf-8"))
    assert list(metrics["test"]["regions"]) == list(NAMES)
    assert metrics["test"]["dice"] > 0.5
    model = onnx_predictor.open_model(paths.export)
    assert model.spec.output.exclusive
    image, classes = picture(999)
    segmented = segmenting.segment(image[None, :, :, None], None, model)
    assert set(np.unique(segmented.labels)) <= set(range(6))
    inside = classes > 0
    assert (segmented.labels[0][inside] == classes[inside]).mean() > 0.5


def test_the_task_says_what_its_pixels_are(paths: Paths) -> None:
    page = paths.report.read_text(encoding="utf-8")
    heads = [part.split("</th>")[0] for part in page.split("<th ")[1:]]
    assert heads
    assert not [head for head in heads if "tumour" in head]
    assert any("tissue" in head for head in heads)
    card = paths.card.read_text(encoding="utf-8")
    assert not [line for line in card.splitlines() if line.startswith("|") and "tumour" in line]
