"""`brainseg register`: what it refuses, and what git, DVC and a real MLflow registry hold afterwards."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import onnxruntime
import pytest
from mlflow.tracking import MlflowClient
from typer.testing import CliRunner

from stages.commands import register
from stages.core.errors import UserError
from stages.inference import onnx_predictor
from stages.registry import mlflow_registry, versions
from tests.fixtures import graphs
from tests.fixtures.versioned import EXPORT, Versioned


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Versioned:
    """A project with one committed model and no version."""
    found = Versioned(tmp_path)
    found.model()
    found.commit("a model")
    enter(found, monkeypatch)
    return found


def enter(project: Versioned, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.root)
    for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT", "GIT_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "tester")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "tester@example.invalid")


def refused(version: str = "v1.0.0") -> str:
    with pytest.raises(UserError) as error:
        register.main(version)
    assert "\n" not in str(error.value)
    return str(error.value)


def tags(project: Versioned) -> list[str]:
    return project.git("tag").split()


# What is refused, before anything is written.


@pytest.fixture(autouse=True)
def _nothing_logged_where_refused(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "refused" in request.node.name:
        assert not list(tmp_path.rglob("mlflow.db"))


@pytest.mark.parametrize("version", ["1.0.0", "v1", "v1.0.0 ", "latest", "v01.0.0", "v1.0.0!"])
def test_refused_no_version(project: Versioned, version: str) -> None:
    assert refused(version) == f"{version} is no version; write it as v1.0.0"


def test_refused_uncommitted(project: Versioned) -> None:
    way_out = "commit or remove it, then register the version"
    (project.root / "new.py").touch()
    assert refused() == f"new.py is not committed; {way_out}"
    with (project.root / "dvc.yaml").open("a") as file:
        file.write("# changed\n")
    assert refused() == f"dvc.yaml and 1 more is not committed; {way_out}"
    project.git("add", "-A")
    assert refused() == f"dvc.yaml and 1 more is not committed; {way_out}"
    assert tags(project) == []


def test_refused_outs_that_are_not_those_of_the_commit(project: Versioned) -> None:
    told = (
        f"{EXPORT}.dvc is not up to date with what is committed; run `dvc repro` (or `dvc pull`), commit "
        "what it writes, then register the version"
    )
    graphs.export(project.root / EXPORT, graphs.describe(channels=("flair",), tta="flip"))
    assert refused() == told
    shutil.rmtree(project.root / EXPORT)
    assert refused() == told
    assert tags(project) == []


def test_refused_a_version_that_is_something_else(project: Versioned) -> None:
    project.tag("v1.0.0")
    first = project.git("rev-parse", "HEAD")
    assert refused("v1.1.0") == "this commit is v1.0.0 already; commit a change before you register v1.1.0"
    project.commit("another")
    assert refused("v1.0.0") == f"v1.0.0 is commit {first[:7]} already; take another version"
    project.tag("v2.0.0", "--no-sign")
    assert refused("v2.0.0") == (
        "there is a tag tumour-segmenter@v2.0.0, withdrawn or not annotated; take another version"
    )


def test_refused_outside_of_projects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert refused().startswith("git for-each-ref failed (fatal: not a git repository")
    subprocess.run(["git", "init", "-q"], check=True)
    who = ["-c", "user.name=t", "-c", "user.email=t@example.invalid"]
    subprocess.run(["git", *who, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    assert refused() == (
        "DVC cannot say whether the model is up to date (you are not inside of a DVC repository (checked up "
        f"to mount point '{mount(tmp_path)}')); see `dvc status`"
    )


def mount(path: Path) -> Path:
    while not path.is_mount():
        path = path.parent
    return path


# What is registered.


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> tuple[Versioned, Any]:
    """A project whose model became v1.0.0, and what was printed."""
    found = Versioned(tmp_path_factory.mktemp("registered"))
    found.model(threshold={"tumour": 0.25})
    found.commit("a model")
    with pytest.MonkeyPatch.context() as patch:
        enter(found, patch)
        told = CliRunner().invoke(register.app, ["v1.0.0"], catch_exceptions=False)
    return found, told


@pytest.fixture
def project_with_one(
    registered: tuple[Versioned, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Versioned:
    """A copy of it, which a test may change."""
    copy = object.__new__(Versioned)
    copy.bare = registered[0].bare
    copy.root = shutil.copytree(registered[0].root, tmp_path / "copy")
    enter(copy, monkeypatch)
    mlflow.set_tracking_uri(f"sqlite:///{copy.root}/mlflow.db")
    return copy


def test_it_says_what_it_did_and_nothing_else(registered: tuple[Versioned, Any]) -> None:
    project, told = registered
    head = project.git("rev-parse", "HEAD")
    assert told.stderr == ""
    assert told.stdout.splitlines() == [
        f"tumour-segmenter v1.0.0 is commit {head[:7]}, and models:/tumour-segmenter/1 in MLflow",
        "hand it on: dvc push && git push origin tumour-segmenter@v1.0.0",
    ]
    assert project.git("status", "--porcelain") == ""


def test_the_tag_is_one_that_dvc_and_predict_find(
    project_with_one: Versioned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = project_with_one
    assert project.git("cat-file", "-t", "tumour-segmenter@v1.0.0") == "tag"
    shown = project.git("for-each-ref", "--format=%(contents:subject)|%(taggername)", "refs/tags")
    assert shown == "Registering artifact tumour-segmenter version v1.0.0|tester"
    project.push()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    model = versions.locate(f"file://{project.bare}@v1.0.0")
    assert onnx_predictor.open_model(model).spec.decision.threshold == {"tumour": 0.25}


def test_the_registry_holds_the_same_bytes_and_no_pickle(project_with_one: Versioned) -> None:
    (entry,) = MlflowClient().search_model_versions("name = 'tumour-segmenter'")
    spec = onnx_predictor.open_model(project_with_one.root / EXPORT).spec
    assert entry.tags == {
        "version": "v1.0.0",
        "git_revision": project_with_one.git("rev-parse", "HEAD"),
        "data_hash": spec.data_hash,
        "model_hash": spec.model_hash,
    }
    folder = Path(mlflow.artifacts.download_artifacts(f"models:/tumour-segmenter/{entry.version}"))
    files = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert files.pop("model.onnx") == (project_with_one.root / EXPORT / "model.onnx").read_bytes()
    assert set(files) == {
        "MLmodel", "conda.yaml", "python_env.yaml", "requirements.txt", "registered_model_meta",
        "input_example.json", "serving_input_example.json",
    }  # fmt: skip
    for content in files.values():
        assert "\x00" not in content.decode("utf-8")  # text, which no pickle is
    assert b"pickle" not in b"".join(files.values())


def test_the_registered_model_answers_its_example_as_the_file_does(project_with_one: Versioned) -> None:
    loaded = mlflow.pyfunc.load_model("models:/tumour-segmenter/1")
    spec = onnx_predictor.open_model(project_with_one.root / EXPORT).spec
    (wanted,) = loaded.metadata.signature.inputs.inputs
    (given,) = loaded.metadata.signature.outputs.inputs
    assert (wanted.name, wanted.type, wanted.shape) == ("slices", np.uint8, (-1, 64, 64, 1))
    assert (given.name, given.type, given.shape) == ("probabilities", np.float32, (-1, 64, 64, 1))
    example = loaded.input_example
    made = mlflow_registry.example((-1, *spec.input.shape[1:]))
    assert np.array_equal(example["slices"], made)
    answer = loaded.predict({"slices": example["slices"].astype(np.uint8)})["probabilities"]
    session = onnxruntime.InferenceSession(project_with_one.root / EXPORT / "model.onnx")
    direct = session.run(None, {"slices": made})[0]
    assert np.array_equal(answer, direct)
    assert 0 < (direct > 0.5).sum() < (direct < 0.5).sum()  # the spot, and not all of it


def test_an_interrupted_registration_is_finished(
    project_with_one: Versioned, capsys: pytest.CaptureFixture[str]
) -> None:
    """The tag is made last; without it, and with it alone, the same command does what is missing."""
    project = project_with_one
    project.git("tag", "-d", "tumour-segmenter@v1.0.0")
    register.main("v1.0.0")
    assert tags(project) == ["tumour-segmenter@v1.0.0"]
    register.main("v1.0.0")
    assert len(MlflowClient().search_model_versions("name = 'tumour-segmenter'")) == 1
    MlflowClient().delete_model_version("tumour-segmenter", "1")
    register.main("v1.0.0")
    (entry,) = MlflowClient().search_model_versions("name = 'tumour-segmenter'")
    assert entry.version == 2
    assert capsys.readouterr().out.splitlines()[-2].endswith("and models:/tumour-segmenter/2 in MLflow")


def test_mlflow_has_the_version_of_another_commit(project_with_one: Versioned) -> None:
    project = project_with_one
    first = project.git("rev-parse", "HEAD")
    project.commit("another")
    project.git("tag", "-d", "tumour-segmenter@v1.0.0")
    assert refused() == (
        f"MLflow has v1.0.0 of tumour-segmenter from commit {first[:7]}; take another version"
    )
    assert tags(project) == []


def test_mlflow_that_cannot_be_reached_leaves_no_tag(
    project: Versioned, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    told = refused()
    assert told.startswith("MLflow at http://127.0.0.1:9 cannot be used (")
    assert tags(project) == []


def test_git_does_not_know_who_tags(
    project_with_one: Versioned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = project_with_one
    project.git("tag", "-d", "tumour-segmenter@v1.0.0")
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    for name in ("HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    told = refused()
    assert told.startswith("the tag tumour-segmenter@v1.0.0 cannot be made (fatal: ")
    assert told.endswith("); put that right and run this again")
    assert tags(project) == []


def test_the_example_of_a_graph_of_volumes_is_that_of_slices_in_each() -> None:
    flat, volume = mlflow_registry.example((-1, 32, 64, 3)), mlflow_registry.example((-1, 4, 32, 64, 3))
    assert volume.shape == (1, 4, 32, 64, 3)
    assert all(np.array_equal(volume[0, place], flat[0]) for place in range(4))
    assert set(np.unique(flat)) == {0, 120, 220}
