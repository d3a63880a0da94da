"""dvc.yaml is held to the code, the code to docs/architecture.md: arrows point one way, stages list what they
use.
"""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from stages.core import code
from stages.project import params
from stages.project.paths import Paths
from tests.pipeline.import_graph import ROOT, imported_by, reached_from
from tests.pipeline.rooms import ROOMS, SOURCES

DVC = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
STAGES = list(DVC["stages"])
ANYWHERE = {"project", "experiments", "comparison", "environment", "registry", "serving", "commands"}
"""Rooms of what the commands beside the DAG share: like scripts, they may read params and know the paths."""
LIBRARY = [path for path in SOURCES if len(path.parts) == 3 and path.parts[1] not in ANYWHERE]


def entries(stage: str, *kinds: str) -> dict[str, dict]:
    """Outs or deps of a stage: path to its flags."""
    listed = [entry for kind in kinds for entry in DVC["stages"][stage].get(kind, [])]
    return {
        path: flags
        for entry in listed
        for path, flags in ({entry: {}} if isinstance(entry, str) else entry).items()
    }


def code_deps(stage: str) -> set[Path]:
    return {Path(path) for path in entries(stage, "deps") if path.startswith("stages/")}


def test_the_stages_are_those_of_the_design_in_their_order() -> None:
    assert list(DVC["stages"]) == STAGES
    for name in STAGES:
        assert DVC["stages"][name]["cmd"] == f"python -m stages.{name}"


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_lists_the_rooms_that_it_reaches_and_no_other(stage: str) -> None:
    reached = reached_from(Path(f"stages/{stage}.py"))
    rooms = {Path(*path.parts[:2]) for path in reached if path.name != "__init__.py"}
    # The values of params.yaml are tracked as params, the paths as deps and outs: a new key elsewhere must
    # not train a model again.
    assert code_deps(stage) == rooms - {Path("stages", room) for room in code.UNTRACKED}
    assert code_deps(stage) == {path.relative_to(ROOT) for path in code.rooms(stage)}


IMPORTING = """
import importlib, json, sys
for stage in sys.argv[1:]:
    for name in [name for name in sys.modules if name.split(".")[0] == "stages"]:
        del sys.modules[name]
    importlib.import_module(f"stages.{stage}")
    print(json.dumps([module.__file__ for name, module in sys.modules.items() if name.startswith("stages.")]))
"""


@pytest.fixture(scope="module")
def really_imported() -> dict[str, set[Path]]:
    """Files of this project that importing each stage runs, none of them imported before. The libraries, most
    of the time, are imported once for all stages.
    """
    command = [sys.executable, "-c", IMPORTING, *STAGES]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    lists = map(json.loads, done.stdout.splitlines())
    return {
        stage: {Path(name).relative_to(ROOT) for name in names}
        for stage, names in zip(STAGES, lists, strict=True)
    }


@pytest.mark.parametrize("stage", STAGES)
def test_what_a_stage_really_imports_lies_in_what_is_read_from_its_source(
    stage: str, really_imported: dict[str, set[Path]]
) -> None:
    assert Path(f"stages/{stage}.py") in really_imported[stage]
    assert really_imported[stage] <= reached_from(Path(f"stages/{stage}.py"))


def test_dvc_hashes_no_compiled_code() -> None:
    assert "__pycache__" in (ROOT / ".dvcignore").read_text(encoding="utf-8").split()


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_tracks_its_own_section_of_params_and_no_other(stage: str) -> None:
    sections: dict[str, Any] = {
        field.alias or name: field for name, field in params.Params.model_fields.items()
    }
    wanted = [stage] if stage in sections else []
    names = list(sections[stage].annotation.model_fields) if wanted else []
    if {"size", "nfiles"} & set(names):  # DVC's run cache sees no key of these names (treeverse/dvc#10296)
        wanted = [f"{stage}.{name}" for name in names]
    assert DVC["stages"][stage].get("params", []) == (["ingest"] if stage == "locate" else wanted)


@pytest.mark.parametrize("stage", STAGES)
def test_outs_lie_where_the_code_says(stage: str) -> None:
    places = [path for path in vars(Paths()).values() if isinstance(path, Path)]
    for out in map(Path, entries(stage, "outs", "metrics", "plots")):
        assert any(path == out or out in path.parents for path in places), out


def test_every_data_dep_is_an_out_of_an_earlier_stage() -> None:
    # which people let `brainseg score` and `brainseg ensemble` write
    made = {Paths().tried.as_posix(), Paths().sites.as_posix()}
    for stage in STAGES:
        for path in entries(stage, "deps"):
            if path.split("/")[0] == "stages":
                continue
            inside = [
                out for out in made if path == out or path.startswith(out + "/") or out.startswith(path + "/")
            ]
            assert inside, f"{stage} depends on {path}, which no earlier stage makes"
        made |= set(entries(stage, "outs", "metrics", "plots"))


IN_GIT = {
    *("reports/train/history.csv", "reports/evaluate/per_case.csv", "data/splits.csv"),
    "data/location.json",
}
"""Tables that commits are compared by, beside all metrics, and what was seen at ingest.location: a clone
without the scans has it.
"""


def test_git_holds_what_commits_are_compared_by_and_the_run_cache_stays_on() -> None:
    in_git = set()
    for stage in STAGES:
        for path, flags in entries(stage, "metrics", "plots").items():
            assert flags["cache"] is False, path
        in_git |= set(entries(stage, "plots"))
        for path, flags in entries(stage, "outs").items():
            # Both switch DVC's run cache off. Split takes two seconds, and its table is worth a look.
            # What is at ingest.location is looked at each time: no earlier look is worth restoring.
            assert ("persist" in flags) == (stage == "locate"), path
            assert flags.get("cache", True) or stage in ("locate", "split"), path
            in_git |= set() if flags.get("cache", True) else {path}
    assert in_git == IN_GIT


def test_paths_name_every_out_below_their_root() -> None:
    named = set(vars(Paths(Path("elsewhere"))).values())
    for stage in STAGES:
        assert {Path("elsewhere", out) for out in entries(stage, "outs", "metrics")} <= named


def test_the_rooms_are_the_folders() -> None:
    assert {path.parts[1] for path in SOURCES if len(path.parts) == 3} == set(ROOMS)


@pytest.mark.parametrize("path", [path for path in SOURCES if len(path.parts) == 3], ids=str)
def test_arrows_point_one_way(path: Path) -> None:
    own = ROOMS.index(path.parts[1])
    for other in imported_by(path):
        if other.name == "__init__.py":
            continue
        assert len(other.parts) == 3, f"{path} imports {other}, a script"
        assert ROOMS.index(other.parts[1]) <= own, f"{path} imports {other}, an arrow that points back"


@pytest.mark.parametrize("path", LIBRARY, ids=str)
def test_library_modules_know_neither_params_nor_paths(path: Path) -> None:
    assert not {other for other in imported_by(path) if other.parts[1] == "project"}


def test_no_import_cycles() -> None:
    for path in SOURCES:
        for other in imported_by(path) - {path}:
            if path.name != "__init__.py" and other.name != "__init__.py":
                assert path not in reached_from(other), f"{path} and {other} import each other"


def texts(path: Path) -> list[str]:
    """String constants of a module, docstrings left out."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    documented = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documented
    ]


@pytest.mark.parametrize("path", [path for path in SOURCES if path.name != "paths.py"], ids=str)
def test_only_paths_spells_a_path(path: Path) -> None:
    for text in texts(path):
        assert not text.startswith(("data/", "models/", "reports/")), f"{path} spells {text}"


@pytest.mark.parametrize("path", LIBRARY, ids=str)
def test_library_modules_neither_read_params_nor_print(path: Path) -> None:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    called = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert "print" not in called or path == Path("stages/core/errors.py")  # which ends commands
    assert "params.yaml" not in texts(path)


def test_only_params_recipes_results_and_a_cluster_s_description_read_yaml() -> None:
    readers = {
        path
        for path in SOURCES
        if any(word in (ROOT / path).read_text() for word in ("import yaml", "ruamel"))
    }
    assert readers == {
        Path("stages/project/params.py"),
        Path("stages/project/options.py"),
        Path("stages/core/slurm.py"),
        Path("stages/experiments/recipe.py"),
        Path("stages/experiments/results.py"),
    }


def test_nothing_unpickles() -> None:
    for path in SOURCES:
        code = (ROOT / path).read_text(encoding="utf-8")
        assert "import pickle" not in code, path
        assert "torch.load(" not in code.replace("weights_only=True", "") or "weights_only=True" in code, path
        assert "allow_pickle=True" not in code, path


def test_what_several_tests_need_is_in_no_test() -> None:
    texts = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")}
    imports = re.compile(r"^\s*from tests\.\S*\btest_", re.M)
    assert [name for name, text in texts.items() if imports.search(text)] == []
