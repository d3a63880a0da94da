"""What lies across slices is seen by a 3D network and by no 2D one."""

import json

import pytest

from stages import augment, evaluate, train
from stages.project import params
from stages.project.paths import Paths
from tests.fixtures import lookalikes
from tests.pipeline.prepared import prepared

CASES = 15
COMMON: dict[str, object] = {"encoder_weights": None, "keep": "last", "lr": 3e-3}
SLICES = COMMON | {"encoder": "tu-test_resnet", "depth": 3, "batch_size": 16, "epochs": 10}
VOLUMES = COMMON | {"dims": 3, "arch": "dynunet", "window": [16, 32, 32], "batch_size": 1, "epochs": 8}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Paths, params.Params]:
    root = tmp_path_factory.mktemp("lookalikes")
    paths = Paths(root / "project")
    chosen = prepared(paths, size=32, source="nnunet", location=str(lookalikes.write(root / "set", CASES)))
    augment.run(chosen.augment.model_copy(update={"policy": "light"}), paths)
    return paths, chosen


def dice(project: tuple[Paths, params.Params], recipe: dict[str, object]) -> float:
    """On test patients, after a training by the recipe."""
    paths, chosen = project
    train.run(chosen.train.model_copy(update=recipe), paths)
    evaluate.run(chosen.evaluate.model_copy(update={"bootstrap": 100}), paths)
    return float(json.loads(paths.evaluate_metrics.read_text(encoding="utf-8"))["test"]["dice"])


@pytest.mark.slow
def test_windows_tell_lesions_from_lookalikes_and_slices_do_not(
    project: tuple[Paths, params.Params], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT"):
        monkeypatch.delenv(name, raising=False)
    by_slices, by_windows = dice(project, SLICES), dice(project, VOLUMES)
    assert by_slices < lookalikes.guessed(CASES) + 0.1  # more cannot be seen in a slice
    assert by_slices > 0.2  # and the discs are seen
    assert by_windows > by_slices + 0.1
