"""Versions from real git repositories and DVC remotes: folders, and S3 that moto serves on this machine."""

import hashlib
import multiprocessing
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from dvc.repo import Repo
from hypothesis import given
from hypothesis import strategies as st
from moto.server import ThreadedMotoServer

from stages.core.errors import UserError
from stages.inference import onnx_predictor
from stages.registry import versions
from tests.fixtures import git_server, graphs
from tests.fixtures.versioned import EXPORT, Versioned

ROOT = Path(__file__).resolve().parents[2]
KEY = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Versioned:
    """v1.0.0 and v1.1.0; v1.2.0, which was not pushed to the DVC remote."""
    found = Versioned(tmp_path_factory.mktemp("made"))
    found.release("v1.0.0", threshold={"tumour": 0.1})
    found.release("v1.1.0", threshold={"tumour": 0.2})
    found.release("v1.2.0", pushed=False, threshold={"tumour": 0.3})
    return found


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def threshold(model: Path) -> float:
    return onnx_predictor.open_model(model).spec.decision.threshold["tumour"]


def refused(named: str) -> str:
    with pytest.raises(UserError) as error:
        versions.locate(named)
    assert "\n" not in str(error.value)
    return str(error.value)


def kept(cache: Path) -> list[Path]:
    """Every file in the cache but locks, those that began with a dot too."""
    return [path for path in cache.rglob("*") if path.is_file() and path.name != ".lock"]


# What names a version.


def test_what_is_there_is_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("model.onnx", "odd@v1.0.0", "missing", "missing@2.onnx", "@v1.0.0", "a@b/c.onnx"):
        if name == "odd@v1.0.0":
            Path(name).mkdir()
        assert versions.locate(name) == Path(name)


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ("https://host/team/x.git", "https://host/team/x.git names no version; write {}@v1.0.0"),
        ("git@host:team/x", "git@host:team/x names no version; write {}@v1.0.0"),
        ("https://me@host/team/x", "https://me@host/team/x names no version; write {}@v1.0.0"),
        ("git@host:team/x@1.0.0", "1.0.0 is no version; write git@host:team/x@v1.0.0"),
        ("https://host/x@latest", "latest is no version; write https://host/x@v1.0.0"),
        (".@v1", "v1 is no version; write .@v1.0.0"),
        (".@v01.0.0", "v01.0.0 is no version; write .@v1.0.0"),
    ],
)
def test_an_address_without_a_version(named: str, told: str) -> None:
    assert refused(named) == told.format(named)


@given(
    st.sampled_from(
        ["git@host:team/x", "https://me:pass@host:8/x.git", "/srv/a@b", "a@v1.0.0", "ssh://u@h/x"]
    ),
    st.tuples(*[st.integers(0, 30)] * 3),
)
def test_the_version_is_behind_the_last_at(address: str, numbers: tuple[int, int, int]) -> None:
    version = "v{}.{}.{}".format(*numbers)
    asked = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(versions, "_held", lambda *words: asked.append(words[:2]))
        versions.locate(f"{address}@{version}")
    assert asked == [(address, version)]


# What is downloaded.


@pytest.mark.parametrize("by", ["{0.bare}", "file://{0.bare}", "{0.root}"])
def test_each_version_is_the_model_it_was(made: Versioned, by: str) -> None:
    for version, wanted in (("v1.0.0", 0.1), ("v1.1.0", 0.2), ("v1.0.0", 0.1)):
        model = versions.locate(f"{by.format(made)}@{version}")
        assert threshold(model) == wanted
        assert model.name == made.git("rev-parse", f"tumour-segmenter@{version}^{{commit}}")
        assert sorted(path.name for path in model.iterdir()) == ["model.onnx", "model_card.md", "spec.json"]


def test_a_repository_over_http(made: Versioned) -> None:
    with git_server.serve(made.bare.parent) as address:
        repository = f"{address}/bare.git"
        model = versions.locate(f"{repository}@v1.1.0")
        assert model.name == made.git("rev-parse", "tumour-segmenter@v1.1.0^{commit}")
        assert refused(f"{repository}@v3.0.0") == (
            f"{repository} has no version v3.0.0 of tumour-segmenter; it has v1.0.0, v1.1.0, v1.2.0"
        )
        assert refused(f"{address}/other.git@v1.0.0").startswith(
            f"{address}/other.git cannot be read as the git repository of a DVC project ("
        )
    assert versions.locate(f"{repository}@v1.1.0") == model  # without a server
    assert threshold(model) == 0.2


def test_dvc_gets_the_same_bytes(made: Versioned, tmp_path: Path) -> None:
    words = ["artifacts", "get", str(made.bare), versions.ARTIFACT, "--rev", "v1.0.0", "-o", "got"]
    env = os.environ | {"DVC_NO_ANALYTICS": "1"}
    subprocess.run([sys.executable, "-m", "dvc", *words], cwd=tmp_path, env=env, check=True)
    ours = versions.locate(f"{made.bare}@v1.0.0")
    assert {path.name: path.read_bytes() for path in (tmp_path / "got").iterdir()} == {
        path.name: path.read_bytes() for path in ours.iterdir()
    }


def test_a_version_that_is_there_needs_neither_repository_nor_remote(made: Versioned, tmp_path: Path) -> None:
    copy = shutil.copytree(made.bare, tmp_path / "bare.git")
    named = (f"{copy}@v1.0.0", f"file://{copy}@v1.0.0")
    before = [versions.locate(name) for name in named]
    times = [path.stat().st_mtime_ns for path in before]
    shutil.rmtree(copy)
    again = [versions.locate(name) for name in named[1:]]
    assert (again, before[1].stat().st_mtime_ns) == (before[1:], times[1])
    copy.mkdir()  # the folder is there, and no git in it
    assert versions.locate(named[0]) == before[0]


def test_a_version_that_was_made_anew_is_not_the_old_one(tmp_path: Path) -> None:
    found = Versioned(tmp_path / "own")
    found.release("v1.0.0", threshold={"tumour": 0.1})
    first = versions.locate(f"{found.root}@v1.0.0")
    found.git("tag", "-d", "tumour-segmenter@v1.0.0")
    found.git("push", "-q", "origin", ":refs/tags/tumour-segmenter@v1.0.0")
    found.release("v1.0.0", threshold={"tumour": 0.9})
    second = versions.locate(f"{found.root}@v1.0.0")
    assert (threshold(first), threshold(second)) == (0.1, 0.9)


def test_several_processes_at_once(made: Versioned, cache: Path) -> None:
    with multiprocessing.get_context("fork").Pool(3) as pool:
        found = pool.map(versions.locate, [f"{made.bare}@v1.0.0"] * 6)
    assert len(set(found)) == 1
    assert len(kept(cache)) == 3


def test_what_a_killed_download_left_is_no_model(made: Versioned, cache: Path) -> None:
    model = versions.locate(f"{made.bare}@v1.0.0")
    model.rename(model.with_name(f".{model.name}.part-1"))
    (model.with_name(f".{model.name}.part-1") / "model.onnx").write_bytes(b"half")
    assert threshold(versions.locate(f"{made.bare}@v1.0.0")) == 0.1
    assert len(kept(cache)) == 3


def test_only_known_files_are_taken(tmp_path: Path) -> None:
    found = Versioned(tmp_path / "own")
    (found.root / EXPORT).mkdir(parents=True)
    (found.root / EXPORT / "evil.py").write_text("raise SystemExit\n")
    found.release("v1.0.0")
    model = versions.locate(f"{found.bare}@v1.0.0")
    assert "evil.py" not in {path.name for path in model.iterdir()}


# S3.


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """Address of an S3 server with the bucket `models`."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in KEY.items():
            patch.setenv(name, value)
        server.start()
        address = "http://{}:{}".format(*server.get_host_and_port())
        boto3.client("s3", endpoint_url=address).create_bucket(Bucket="models")
        yield address
        server.stop()


def test_a_version_on_s3(bucket: str, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Versioned(tmp_path / "own", "s3://models/brainseg", endpointurl=bucket)
    found.release("v1.0.0", threshold={"tumour": 0.1})
    found.release("v1.1.0", pushed=False, threshold={"tumour": 0.2})
    stored = boto3.client("s3", endpoint_url=bucket).list_objects_v2(Bucket="models")["Contents"]
    assert all(entry["Key"].startswith("brainseg/files/md5/") for entry in stored)
    assert threshold(versions.locate(f"{found.bare}@v1.0.0")) == 0.1
    assert refused(f"{found.bare}@v1.1.0") == (
        f"the files of v1.1.0 of {found.bare} are not on its DVC remote; was it pushed there? `dvc push`"
    )
    shutil.rmtree(cache)
    for name in KEY:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert refused(f"{found.bare}@v1.0.0") == (
        f"the files of v1.0.0 of {found.bare} cannot be had from its DVC remote (Unable to locate "
        "credentials); see that it can be reached, then run this again"
    )
    assert kept(cache) == []


# What is wrong.


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_an_unknown_version(made: Versioned, cache: Path) -> None:
    assert refused(f"{made.bare}@v9.0.0") == (
        f"{made.bare} has no version v9.0.0 of tumour-segmenter; it has v1.0.0, v1.1.0, v1.2.0"
    )
    assert kept(cache) == []


def test_a_withdrawn_version_and_one_that_git_alone_calls_so(tmp_path: Path) -> None:
    found = Versioned(tmp_path / "own")
    found.release("v1.0.0")
    found.tag("v1.0.0!")
    found.tag("v2.0.0", "--no-sign")
    assert refused(f"{found.bare}@v1.0.0") == (
        f"{found.bare} has no version v1.0.0 of tumour-segmenter; `brainseg register` makes one"
    )
    assert refused(f"{found.bare}@v2.0.0") == (
        f"the tag tumour-segmenter@v2.0.0 of {found.bare} is no annotated one; `brainseg register` makes it"
    )


def test_no_repository(tmp_path: Path) -> None:
    way_out = "name its folder or an address that you can clone"
    cannot = "cannot be read as the git repository of a DVC project"
    assert refused(f"{tmp_path}/none@v1.0.0") == (
        f"{tmp_path}/none {cannot} (No git repository was found at {tmp_path}/none); {way_out}"
    )
    assert refused(f"{tmp_path}@v1.0.0") == (
        f"{tmp_path} is a folder without a git repository; name that of a project"
    )


@pytest.mark.parametrize("address", ["https://127.0.0.1:{}/x.git", "http://127.0.0.1:{}/x.git"])
def test_no_network(address: str, cache: Path) -> None:
    repository = address.format(free_port())
    assert refused(f"{repository}@v1.0.0") == (
        f"{repository} cannot be read as the git repository of a DVC project "
        "([Errno 111] Connection refused); name its folder or an address that you can clone"
    )
    assert kept(cache) == []


def test_a_repository_without_the_artefact(tmp_path: Path) -> None:
    found = Versioned(tmp_path / "own")
    (found.root / "dvc.yaml").write_text("stages: {}\n")
    found.release("v1.0.0")
    assert refused(f"{found.bare}@v1.0.0") == (
        f"v1.0.0 of {found.bare} has no artifact tumour-segmenter in its dvc.yaml; name another version"
    )
    (found.root / "dvc.yaml").write_text("artifacts: [\n")
    found.git("commit", "-qam", "damaged")
    found.tag("v1.1.0")
    assert refused(f"{found.bare}@v1.1.0").startswith(
        f"{found.bare} cannot be read as the git repository of a DVC project ("
    )


def test_what_was_not_pushed(made: Versioned, cache: Path) -> None:
    assert refused(f"{made.bare}@v1.2.0") == (
        f"the files of v1.2.0 of {made.bare} are not on its DVC remote; was it pushed there? `dvc push`"
    )
    assert kept(cache) == []
    assert threshold(versions.locate(f"{made.root}@v1.2.0")) == 0.3  # which has it in its own cache


def test_one_file_is_gone_from_the_remote_or_damaged(tmp_path: Path, cache: Path) -> None:
    found = Versioned(tmp_path / "own")
    found.release("v1.0.0")
    md5 = hashlib.md5((found.root / EXPORT / "spec.json").read_bytes(), usedforsecurity=False).hexdigest()
    stored = found.store / "files/md5" / md5[:2] / md5[2:]
    stored.chmod(0o644)
    stored.write_text("{}")
    assert refused(f"{found.bare}@v1.0.0") == "spec.json on the DVC remote is damaged; `dvc push` it again"
    stored.unlink()
    assert refused(f"{found.bare}@v1.0.0") == (
        f"the files of v1.0.0 of {found.bare} are not on its DVC remote; was it pushed there? `dvc push`"
    )
    assert kept(cache) == []


def test_a_remote_that_cannot_be_reached(tmp_path: Path, cache: Path) -> None:
    found = Versioned(tmp_path / "own", f"http://127.0.0.1:{free_port()}/store")
    found.release("v1.0.0", pushed=False)
    told = refused(f"{found.bare}@v1.0.0")
    assert told.startswith(f"the files of v1.0.0 of {found.bare} cannot be had from its DVC remote (")
    assert told.endswith("); see that it can be reached, then run this again")
    assert kept(cache) == []


def test_a_repository_without_a_remote(tmp_path: Path) -> None:
    found = Versioned(tmp_path / "own")
    with Repo(str(found.root)) as repo, repo.config.edit() as config:
        del config["core"]["remote"], config["remote"]["store"]
    found.release("v1.0.0", pushed=False)
    assert refused(f"{found.bare}@v1.0.0").startswith(f"the files of v1.0.0 of {found.bare} ")


def test_files_too_large_to_be_a_model(made: Versioned, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "_LARGEST", 100)
    assert refused(f"{made.bare}@v1.0.0") == "model.onnx there is larger than 0 GiB; it is no model"
    assert kept(cache) == []


def test_an_artefact_that_is_no_model(tmp_path: Path) -> None:
    found = Versioned(tmp_path / "own")
    (found.root / "dvc.yaml").write_text(f"artifacts: {{{versions.ARTIFACT}: {{path: other}}}}\n")
    (found.root / "other").mkdir()
    (found.root / "other" / "a.txt").write_text("a")
    found.release("v1.0.0")
    assert refused(f"{found.bare}@v1.0.0") == "other holds no model.onnx there; name another version"


def test_a_cache_that_cannot_be_written(
    made: Versioned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    told = refused(f"{made.bare}@v1.0.0")
    assert told.startswith(f"{tmp_path}/file/brainseg/models/")
    assert told.endswith(" cannot be written (Not a directory); set XDG_CACHE_HOME to a folder that can be")


def test_predict_takes_a_version_and_says_nothing_else(
    made: Versioned, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    from stages.commands import predict
    from tests.fixtures import programs, scans

    (tmp_path / "temporary").mkdir()
    Image.fromarray(scans.volume(3, seed=1)[0][1][..., scans.FLAIR]).save(tmp_path / "a.png")

    def words(version: str) -> tuple[str | Path, ...]:
        model = f"file://{made.bare}@{version}"
        return (tmp_path / "a.png", "--model", model, "--out", tmp_path / version)

    env = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    env |= {"PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path / "temporary")}
    command = [sys.executable, "-m", "stages.commands.predict", *words("v1.0.0")]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "v1.0.0" / "a_mask.png").is_file()
    status, printed, complaint = programs.run(predict.app, "predict", words("v1.2.0"), capfd)
    assert (status, printed) == (2, "")
    assert complaint == (
        f"error: the files of v1.2.0 of file://{made.bare} are not on its DVC remote; "
        "was it pushed there? `dvc push`\n"
    )
    assert not (tmp_path / "v1.2.0").exists()
    # No clone of the repository, and not the file that ONNX Runtime's telemetry begins with.
    assert list((tmp_path / "temporary").iterdir()) == []


def test_dvc_yaml_names_the_export() -> None:
    from ruamel.yaml import YAML

    told = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["artifacts"]
    assert told[versions.ARTIFACT]["path"] == EXPORT
    assert graphs.SIZE  # the fixture is a model of this project's own format


def test_the_trained_network_of_a_version_is_fetched_once(tmp_path: Path, cache: Path) -> None:
    """Beside the export of its commit; the folder of a model is taken as it is."""
    project = Versioned(tmp_path / "made")
    project.model(pushed=False, threshold={"tumour": 0.1})
    models = project.root / "models"
    contents = {name: name.encode() for name in ("model.safetensors", "model.json", "seen.npy")}
    for name, content in contents.items():
        (models / name).write_bytes(content)
    with Repo(str(project.root)) as repo:
        repo.add([str(models / name) for name in contents])
        repo.push()
    project.commit("v1.0.0")
    project.tag("v1.0.0")

    folder = versions.trained(f"{project.bare}@v1.0.0", tmp_path)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == contents
    shutil.rmtree(project.store)
    assert versions.trained(f"{project.bare}@v1.0.0", tmp_path) == folder
    assert versions.trained("made/project/models", tmp_path) == models
    # Relative to the project, not to the working folder.
    assert versions.trained("made/bare.git@v1.0.0", tmp_path).name == folder.name


def test_a_version_without_its_training_is_a_sentence(made: Versioned, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no model\.safetensors there; name another version"):
        versions.trained(f"{made.bare}@v1.0.0", tmp_path)
