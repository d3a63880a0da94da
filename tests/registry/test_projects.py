"""Projects that are folders of a larger repository: registered, and had back from folders and addresses."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from dvc.repo import Repo

from stages.commands import register
from stages.core.errors import UserError
from stages.inference import onnx_predictor
from stages.registry import mlflow_registry, projects, versions
from stages.registry.projects import ARTIFACT
from tests.fixtures import git_server, graphs, repository
from tests.fixtures.versioned import EXPORT


class Larger:
    """A repository in `root`/all with projects in folders, its bare clone and a store for all of them.

    subdir: each project is a DVC project of its own (`dvc init --subdir`), else one at the root holds all.
    """

    def __init__(self, root: Path, folders: list[str], subdir: bool) -> None:
        self.root, self.bare = root / "all", root / "bare.git"
        self.root.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")
        (self.root / "README.md").write_text("many things\n")
        self.subdir, self.store = subdir, root / "store"
        if not subdir:
            self.init(self.root)
        for folder in folders:
            place = self.root / folder
            place.mkdir(parents=True, exist_ok=True)
            if subdir:
                self.init(place, subdir=True)
            (place / "dvc.yaml").write_text(
                f"artifacts:\n  {ARTIFACT}:\n    path: {EXPORT}\n    type: model\n"
            )
            (place / ".gitignore").write_text("mlflow.db*\nmlruns/\n")
        self.git("init", "-q", "--bare", "-b", "main", str(self.bare))
        self.git("remote", "add", "origin", str(self.bare))
        self.commit()

    def init(self, place: Path, **how: bool) -> None:
        with Repo.init(str(place), **how) as repo, repo.config.edit() as config:
            config["core"] = {"remote": "store", "analytics": False}
            config["remote"] = {"store": {"url": str(self.store)}}

    def git(self, *words: str) -> str:
        return repository.git(self.root, *words)

    def commit(self) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "change")

    def release(self, folder: str, version: str, least: float, patches: pytest.MonkeyPatch) -> list[str]:
        """Register a model with `brainseg register` in a project's folder, and push it; what it said."""
        place = self.root / folder
        graphs.export(place / EXPORT, graphs.describe(channels=("flair",), threshold={"tumour": least}))
        (place / EXPORT / "model_card.md").write_text("# card\n")
        with patches.context() as patch:
            patch.chdir(place)
            for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT", "GIT_DIR"):
                patch.delenv(name, raising=False)
            for name in ("AUTHOR", "COMMITTER"):
                patch.setenv(f"GIT_{name}_NAME", "tester")
                patch.setenv(f"GIT_{name}_EMAIL", "tester@example.invalid")
            patch.setattr(mlflow_registry, "find", lambda *_: None)
            patch.setattr(mlflow_registry, "add", lambda *_: type("Entry", (), {"version": 1, "tags": {}}))
            with Repo() as repo:
                repo.add(EXPORT)
                repo.push()
            self.commit()
            lines = register.registration.register(version).lines()
        self.git("push", "-q", "--tags", "origin", "main")
        return lines


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def threshold(named: str) -> float:
    return onnx_predictor.open_model(versions.locate(named)).spec.decision.threshold["tumour"]


def refused(named: str) -> str:
    with pytest.raises(UserError) as error:
        versions.locate(named)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(("folder", "subdir"), [("work/brain.seg", True), ("brain", False)])
def test_a_project_in_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, subdir: bool
) -> None:
    found = Larger(tmp_path, [folder], subdir)
    lines = found.release(folder, "v0.1.0", 0.1, monkeypatch)
    assert lines[1] == f"hand it on: dvc push && git push origin {folder}=tumour-segmenter@v0.1.0"
    found.release(folder, "v0.2.0", 0.2, monkeypatch)
    monkeypatch.chdir(found.root / folder)
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(found.bare), str(clone)], check=True)
    for named in (
        *(".", str(found.root / folder), str(found.root), f"{found.root}#{folder}"),
        *(
            str(found.bare),
            f"{found.bare}#{folder}",
            f"file://{found.bare}",
            f"file://{found.bare}#{folder}/",
        ),
        *(str(clone), str(clone / folder)),
    ):
        assert threshold(f"{named}@v0.1.0") == 0.1, named
        assert threshold(f"{named}@v0.2.0") == 0.2, named
    assert refused(".@v0.3.0") == (
        f"{found.root}#{folder} has no version v0.3.0 of tumour-segmenter; it has v0.1.0, v0.2.0"
    )
    assert refused(f"{found.bare}@v0.3.0") == (
        f"{found.bare} has no version v0.3.0 of tumour-segmenter; "
        f"it has v0.1.0 in {folder}, v0.2.0 in {folder}"
    )
    with git_server.serve(found.bare.parent) as address:
        assert threshold(f"{address}/bare.git@v0.1.0") == 0.1
        assert threshold(f"{address}/bare.git#{folder}@v0.2.0") == 0.2


def test_dvc_gets_the_same_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Larger(tmp_path, ["brain"], subdir=True)
    found.release("brain", "v0.1.0", 0.1, monkeypatch)
    words = ["artifacts", "get", str(found.bare), f"brain:{ARTIFACT}", "--rev", "v0.1.0", "-o", "got"]
    env = os.environ | {"DVC_NO_ANALYTICS": "1"}
    subprocess.run([sys.executable, "-m", "dvc", *words], cwd=tmp_path, env=env, check=True)
    ours = versions.locate(f"{found.bare}@v0.1.0")
    assert {path.name: path.read_bytes() for path in (tmp_path / "got").iterdir()} == {
        path.name: path.read_bytes() for path in ours.iterdir()
    }


@pytest.mark.parametrize("subdir", [True, False], ids=["own-dvc", "one-dvc"])
def test_several_projects_in_a_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, subdir: bool
) -> None:
    found = Larger(tmp_path, ["a", "b"], subdir)
    found.release("a", "v0.1.0", 0.1, monkeypatch)
    assert threshold(f"{found.root}@v0.1.0") == 0.1
    found.release("b", "v0.1.0", 0.2, monkeypatch)
    found.release("b", "v0.2.0", 0.3, monkeypatch)
    for place in (str(found.root), str(found.bare)):
        assert refused(f"{place}@v0.1.0") == (
            f"{place} has v0.1.0 of the projects in a and b; name one: {place}#a@v0.1.0"
        )
        assert threshold(f"{place}#a@v0.1.0") == 0.1
        assert threshold(f"{place}#b@v0.1.0") == 0.2
        assert threshold(f"{place}@v0.2.0") == 0.3
        assert refused(f"{place}#a@v0.2.0") == (
            f"{place}#a has no version v0.2.0 of tumour-segmenter; it has v0.1.0"
        )
        assert refused(f"{place}#c@v0.2.0") == (
            f"{place}#c has no version v0.2.0 of tumour-segmenter; `brainseg register` makes one"
        )
    assert threshold(f"{found.root}/a@v0.1.0") == 0.1
    assert threshold(f"{found.root}/b@v0.1.0") == 0.2


def test_what_others_have_not_committed_does_not_stop_a_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Larger(tmp_path, ["a", "b"], subdir=False)
    found.release("b", "v0.1.0", 0.2, monkeypatch)
    real = Larger.commit

    def commit(self: Larger) -> None:
        real(self)
        (self.root / "b" / "notes.txt").write_text("half written\n")
        (self.root / "b" / EXPORT / "model_card.md").unlink(missing_ok=True)  # to DVC: not up to date

    monkeypatch.setattr(Larger, "commit", commit)
    found.release("a", "v0.1.0", 0.1, monkeypatch)
    assert threshold(f"{found.root}/a@v0.1.0") == 0.1


def test_a_folder_that_no_tag_can_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Larger(tmp_path, ["my brain"], subdir=True)
    with pytest.raises(UserError) as error:
        found.release("my brain", "v0.1.0", 0.1, monkeypatch)
    assert str(error.value) == (
        "the folder my brain of the repository has signs that no tag can have; rename it, with letters, "
        "digits, -, _ and . alone"
    )
    assert found.git("tag") == ""


def test_names_are_those_of_gto() -> None:
    from gto.constants import Action
    from gto.tag import name_tag, parse_name

    for project in ("", "a", "a/b.c-d_e"):
        name = projects.artifact(project)
        assert projects.tag(project, "v1.2.3") == name_tag(Action.REGISTER, name, "v1.2.3", simple=True)
        assert parse_name(projects.tag(project, "v1.2.3"))["name"] == name
