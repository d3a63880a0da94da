"""Releases: the version is a git tag's, wheel and sdist hold what they must, and a wheel works by itself."""

import email
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from tests.fixtures import graphs
from tests.fixtures.light import everything
from tests.fixtures.requested import Server

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
ENV = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("GIT_", "PYTHON", "SETUPTOOLS_SCM"))
}


def run(*words: str | Path, folder: Path, **env: str) -> str:
    """What a program prints."""
    done = subprocess.run(words, cwd=folder, env=ENV | env, capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=tester", "-c", "user.email=tester@example.invalid")
    return run("git", *who, "-c", "advice.detachedHead=false", *words, folder=folder)


def version(folder: Path) -> str:
    """The version of a package that is built in a folder."""
    return run(sys.executable, "-m", "setuptools_scm", folder=folder).strip()


def build(folder: Path, *kinds: str, **env: str) -> dict[str, Path]:
    """What `python -m build` makes, by suffix, without downloading anything."""
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", "dist", *kinds, folder=folder, **env)
    return {path.suffix: path for path in (folder / "dist").iterdir()}


def tracked(*below: str) -> list[str]:
    """Files that git has, or would have: what is ignored is left out."""
    words = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *below)
    return sorted({name for name in run(*words, folder=ROOT).split("\0") if (ROOT / name).is_file()})


def copy(names: list[str], target: Path) -> Path:
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target / name)
    return target


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of this one's files: v1.2.3 is a release of it, tumour-segmenter@v9.9.9 a later model."""
    folder = copy(tracked(), tmp_path_factory.mktemp("clone"))
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=code")
    git(folder, "tag", "v1.2.3")
    git(folder, "commit", "--quiet", "--allow-empty", "--message=model")
    git(folder, "tag", "--annotate", "--message=model", "tumour-segmenter@v9.9.9")
    return folder


@pytest.fixture(scope="module")
def released(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Wheel and sdist of the release; the wheel is built of the sdist."""
    folder = tmp_path_factory.mktemp("released")
    git(clone, "worktree", "add", "--quiet", str(folder), "v1.2.3")
    return build(folder)


# The version.


def test_a_release_is_named_by_its_tag(released: dict[str, Path]) -> None:
    assert {path.name for path in released.values()} == {
        "brainseg-1.2.3-py3-none-any.whl",
        "brainseg-1.2.3.tar.gz",
    }


def test_a_later_commit_is_a_development_version_whatever_the_model_is_called(clone: Path) -> None:
    assert re.fullmatch(r"1\.2\.4\.dev1\+g[0-9a-f]+", version(clone))


def test_the_version_is_in_no_file_of_the_package(clone: Path) -> None:
    """A stage's code is hashed: another version of the same code must not train anew."""
    version(clone)
    assert git(clone, "status", "--porcelain", "--ignored") == ""


def test_a_clone_without_releases_has_a_version(tmp_path: Path) -> None:
    copy(["pyproject.toml"], tmp_path)
    assert version(tmp_path) == "0.1.0"  # no clone at all
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message=code")
    models = ("tumour-segmenter@v3.0.0", "sub=tumour-segmenter@v4.0.0")
    for name in (*models, "v5", "v6-try", "v7.0.0-try", "v8.0.0/try", "v1.x.2", "vendor"):
        git(tmp_path, "tag", name)
    assert re.fullmatch(r"0\.1\.1\.dev1\+g[0-9a-f]+", version(tmp_path))
    git(tmp_path, "tag", "v2.0.0rc1")
    assert version(tmp_path) == "2.0.0rc1"
    # A tag of a repository that holds the project in a folder is one of something else.
    assert version(copy(["pyproject.toml"], tmp_path / "project")) == "0.1.0"


def test_a_shallow_clone_has_a_version(clone: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", "--depth=1", "--no-tags", f"file://{clone}", "shallow")
    assert re.fullmatch(r"0\.1\.1\.dev1\+g[0-9a-f]+", version(tmp_path / "shallow"))


def test_an_archive_of_a_commit_knows_its_version(clone: Path, tmp_path: Path) -> None:
    for revision, known in (("v1.2.3", r"1\.2\.3"), ("main", r"1\.2\.4\.dev1\+g[0-9a-f]+")):
        archive = tmp_path / f"{revision}.tar"
        git(clone, "archive", f"--output={archive}", revision)
        shutil.unpack_archive(archive, tmp_path / revision)
        assert re.fullmatch(known, version(tmp_path / revision))


# What is in it.


def test_the_wheel_holds_the_package_and_nothing_else(released: dict[str, Path]) -> None:
    with zipfile.ZipFile(released[".whl"]) as wheel:
        names = wheel.namelist()
        described = email.message_from_bytes(wheel.read("brainseg-1.2.3.dist-info/METADATA"))
        entry = wheel.read("brainseg-1.2.3.dist-info/entry_points.txt").decode()
    info = [name for name in names if name.startswith("brainseg-1.2.3.dist-info/")]
    assert sorted(set(names) - set(info)) == tracked("stages")
    assert "brainseg-1.2.3.dist-info/licenses/LICENSE" in info
    assert "brainseg = stages.cli:main" in entry
    assert (described["License-Expression"], described["Requires-Python"]) == ("Apache-2.0", ">=3.11")
    always = [line for line in described.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert [line for line in always if line.startswith(("torch", "dvc", "pandas", "mlflow"))] == []


def test_the_sdist_holds_what_builds_the_wheel_and_no_results(released: dict[str, Path]) -> None:
    with tarfile.open(released[".gz"]) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames() if sdist.getmember(name).isfile()}
    made = {name for name in names if name.startswith("brainseg.egg-info/")} | {"PKG-INFO", "setup.cfg"}
    top = {".git_archival.txt", "CHANGELOG.md", "LICENSE", "MANIFEST.in", "README.md", "constraints.txt"}
    assert names - made == {*tracked("stages"), *top, "pyproject.toml"}


# The image and the development container, which are not built here.


def hadolint(text: str) -> str:
    done = subprocess.run([BIN / "hadolint", "--no-color", "-"], input=text, capture_output=True, text=True)
    return done.stdout


def test_the_dockerfile_is_clean() -> None:
    assert hadolint(DOCKERFILE) == ""


@pytest.mark.parametrize(
    ("sound", "slip", "rule"),
    [
        ("python:3.11-slim-bookworm", "python", "DL3006"),
        ("--no-cache-dir ", "", "DL3042"),
        ("--no-install-recommends ", "", "DL3015"),
        ('ENTRYPOINT ["brainseg"]', "ENTRYPOINT brainseg", "DL3025"),
        ("COPY stages stages", "COPY stages stages extra", "DL3021"),
    ],
)
def test_a_slip_in_the_dockerfile_is_found(sound: str, slip: str, rule: str) -> None:
    assert sound in DOCKERFILE
    assert rule in hadolint(DOCKERFILE.replace(sound, slip))


def test_nobody_is_root_in_an_image() -> None:
    images = re.split(r"^FROM .* AS ", DOCKERFILE, flags=re.MULTILINE)[1:]
    users = {image.split()[0]: re.findall(r"^USER (\d+)$", image, re.MULTILINE) for image in images}
    assert users == {"wheel": [], "base": ["1000"], "train": ["0", "1000"], "predict": []}
    assert re.findall(r"^FROM base AS (\w+)$", DOCKERFILE, re.MULTILINE) == ["train", "predict"]


def test_what_the_image_copies_builds_the_same_wheel(released: dict[str, Path], tmp_path: Path) -> None:
    """Of what .dockerignore lets through, in a folder without git."""
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE)
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in ignored
    assert {line[1:] for line in ignored if line.startswith("!")} == set(" ".join(copied).split())
    copy(tracked(*copied[0].split(), *copied[1].split()), tmp_path)
    (variable,) = re.findall(r'RUN (SETUPTOOLS_\w+)="\$VERSION" pip wheel', DOCKERFILE)
    wheel = build(tmp_path, "--wheel", **{variable: "1.2.3"})[".whl"]
    assert wheel.name == released[".whl"].name
    with zipfile.ZipFile(wheel) as one, zipfile.ZipFile(released[".whl"]) as other:
        assert sorted(one.namelist()) == sorted(other.namelist())
        assert [name for name in one.namelist() if one.read(name) != other.read(name)] == []


CONTAINER = ROOT / ".devcontainer/devcontainer.json"
TEXT, TEXTS = {"type": "string"}, {"type": "object", "additionalProperties": {"type": "string"}}
SIZE = {"type": "string", "pattern": r"^\d+([tgmk]b)?$"}
KEYS = {
    **dict.fromkeys(("name", "image", "onCreateCommand", "postCreateCommand"), TEXT),
    **dict.fromkeys(("containerEnv", "remoteEnv"), TEXTS),
    "hostRequirements": {
        "type": "object",
        "properties": {"cpus": {"type": "integer"}, "memory": SIZE, "storage": SIZE},
        "additionalProperties": False,
    },
    "customizations": {"type": "object"},
}
"""Those of the Development Container Specification (containers.dev) that are used here."""
SCHEMA = {"type": "object", "properties": KEYS, "required": ["image"], "additionalProperties": False}


def test_the_development_container_is_described_as_specified(tmp_path: Path) -> None:
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA))
    check: list[str | Path] = [BIN / "check-jsonschema", "--schemafile", tmp_path / "schema.json"]
    assert subprocess.run([*check, CONTAINER], capture_output=True).returncode == 0
    slip = tmp_path / "devcontainer.json"
    slip.write_text(CONTAINER.read_text(encoding="utf-8").replace("postCreateCommand", "postCreationCommand"))
    assert "postCreationCommand" in subprocess.run([*check, slip], capture_output=True, text=True).stdout


def test_its_shell_is_clean_and_installs_where_it_looks() -> None:
    described = json.loads(CONTAINER.read_text(encoding="utf-8"))
    for name in ("onCreateCommand", "postCreateCommand"):
        done = subprocess.run(
            [BIN / "shellcheck", "--shell=sh", "-"], input=described[name], capture_output=True, text=True
        )
        assert (done.returncode, done.stdout) == (0, "")
    folder = described["containerEnv"]["VENV"]
    planned = run("make", "--dry-run", "install", folder=ROOT, VENV=folder)
    assert f"-m venv {folder}" in planned
    assert described["remoteEnv"]["PATH"].startswith(f"{folder}/bin:")
    interpreter = described["customizations"]["vscode"]["settings"]["python.defaultInterpreterPath"]
    assert interpreter == f"{folder}/bin/python"


# Installed.


@pytest.mark.slow
def test_a_wheel_predicts_and_serves_in_a_clean_environment(
    released: dict[str, Path], tmp_path: Path
) -> None:
    """Every kind of scan, outside of a clone, with what the wheel alone asks for."""
    home, away = tmp_path / "home", tmp_path / "away"
    venv.create(home, with_pip=True)
    python, brainseg = home / "bin/python", home / "bin/brainseg"
    away.mkdir()
    pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    run(*pip, "--constraint", ROOT / "constraints.txt", released[".whl"], folder=away)
    run(python, "-m", "pip", "check", folder=away)
    for name in ("torch", "pandas", "dvc", "matplotlib"):
        done = subprocess.run(
            [python, "-c", f"import {name}"], cwd=away, env=ENV, capture_output=True, text=True
        )
        assert f"No module named '{name}'" in done.stderr
    assert run(brainseg, "--version", folder=away) == "brainseg 1.2.3\n"

    model = graphs.export(tmp_path / "model", graphs.describe(channels=("flair",)))
    everything(away / "scans")
    printed = run(brainseg, "predict", "scans", "--model", model, "--out", "masks", folder=away)
    assert printed == "7 of 7 scans segmented, 0 to look at first: masks\n"
    masks = {path.name for path in (away / "masks").glob("*_mask.*")}
    assert masks >= {"a_mask.png", "c_mask.tif", "d_mask.nii.gz", "e_mask.dcm", "e_mask.nii.gz"}
    ranked = run(brainseg, "next", "scans", "--model", model, "--out", "next.csv", folder=away)
    assert len(ranked.splitlines()) == 7
    assert len((away / "next.csv").read_text(encoding="utf-8").splitlines()) == 1 + 7

    serve: list[str | Path] = [brainseg, "serve", "--model", model, "--port", "0"]
    with subprocess.Popen(serve, cwd=away, env=ENV, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            (address,) = re.findall(r"http://\S+", process.stdout.readline())
            server = Server(address)
            sent = server.send((away / "scans/a.png").read_bytes(), "a.png")
            assert server.done(sent["id"])["status"] == "done"
        finally:
            process.kill()

    for command, extra in (("train", "train"), ("drift", "drift")):
        done = subprocess.run(
            [brainseg, command, "--help"], cwd=away, env=ENV, capture_output=True, text=True
        )
        assert (done.returncode, done.stdout) == (2, "")
        assert re.fullmatch(
            rf"error: brainseg {command} needs \w+, .*; pip install 'brainseg\[{extra}\]'\n", done.stderr
        )
