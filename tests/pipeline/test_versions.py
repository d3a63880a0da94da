"""A model from `dvc repro` to those who use it: by version with DVC and predict, over HTTP with MLflow."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import requests

from tests.pipeline.project import TINY, Project

pytestmark = pytest.mark.slow


class AtHome(Project):
    """A project of somebody whose home is the folder `home` beside it."""

    @property
    def env(self) -> dict[str, str]:
        home = str(self.root.parent / "home")
        mine = {"HOME": home, "XDG_CACHE_HOME": f"{home}/.cache", "ORT_DISABLE_TELEMETRY": "1"}
        return super().env | mine | {"PYTHONPATH": str(self.root)}

    def brainseg(self, *words: str, status: int = 0) -> str:
        return self.run(sys.executable, "-m", "stages.cli", *words, status=status)


def test_a_version_from_repro_to_its_users(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    project = AtHome(tmp_path / "project", TINY | {"train.epochs": "1", "export.int8": "false"})
    bare = tmp_path / "bare.git"
    project.git("init", "-q", "--bare", "-b", "main", str(bare))
    project.dvc("repro", "-q")
    told = project.brainseg("register", "v1.0.0", status=2)
    assert "is not committed; commit or remove it, then register the version" in told
    project.commit("a model")
    told = project.brainseg("register", "v1.0.0")
    pushing = (
        told.splitlines()[-1].removeprefix("hand it on: ").replace("git push origin", f"git push {bare}")
    )
    project.run("bash", "-c", f"{pushing} HEAD:main")
    assert (tmp_path / "home/.local/share/brainseg/store/files/md5").is_dir()
    assert project.git("status", "--porcelain") == ""

    # Those who have neither the project's folder nor its cache.
    got = tmp_path / "got"
    repository = f"file://{bare}"
    project.dvc("artifacts", "get", repository, "tumour-segmenter", "--rev", "v1.0.0", "-o", str(got))
    exported = project.root / "models/export"
    names = {"model.onnx", "spec.json", "model_card.md"}
    assert {path.name: path.read_bytes() for path in got.iterdir()} == {
        name: (exported / name).read_bytes() for name in names
    }
    case = next(path for path in sorted((project.root / "data/raw").iterdir()) if path.is_dir())
    for number, model in enumerate([f"{repository}@v1.0.0", str(exported)]):
        project.brainseg("predict", str(case), "--model", model, "--out", str(tmp_path / f"out{number}"))
    masks = [
        {path.name: path.read_bytes() for path in (tmp_path / f"out{number}").rglob("*_mask.tif")}
        for number in (0, 1)
    ]
    assert masks[0] == masks[1] != {}

    answer(project)


def answer(project: AtHome) -> None:
    """MLflow serves the registered model, which answers its own example as the file does."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = str(one.getsockname()[1])
    env = project.env | {"MLFLOW_TRACKING_URI": f"sqlite:///{project.root}/mlflow.db"}
    command = [
        *(sys.executable, "-m", "mlflow", "models", "serve", "--env-manager", "local"),
        *("-m", "models:/tumour-segmenter/1", "--host", "127.0.0.1", "--port", port),
    ]
    (stored,) = (project.root / "mlruns").rglob("model.onnx")
    assert stored.read_bytes() == (project.root / "models/export/model.onnx").read_bytes()
    (example,) = (project.root / "mlruns").rglob("serving_input_example.json")
    log = project.root.parent / "serve.log"
    with log.open("wb") as told:
        server = subprocess.Popen(
            command, cwd=project.root, env=env, stdout=told, stderr=told, start_new_session=True
        )
    try:
        address = f"http://127.0.0.1:{port}"
        for _ in range(240):
            assert server.poll() is None, log.read_text()
            try:
                if requests.get(f"{address}/ping", timeout=5).ok:
                    break
            except requests.ConnectionError:
                time.sleep(0.5)
        got = requests.post(
            f"{address}/invocations",
            data=example.read_bytes(),
            headers={"Content-Type": "application/json"},
            timeout=60,
        )
        assert got.status_code == 200, got.text
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=30)
    slices = np.array(json.loads(example.read_bytes())["inputs"]["slices"], dtype=np.uint8)
    session = onnxruntime.InferenceSession(project.root / "models/export/model.onnx")
    wanted = session.run(None, {"slices": slices})[0]
    found = np.array(got.json()["predictions"]["probabilities"], dtype=np.float32)
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, atol=1e-6)
