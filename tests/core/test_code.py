"""The code a stage is made of is read from its source: the same from wherever and however it is asked."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from stages.core import code

ROOT = code.PACKAGE.parent


def asked(script: str, folder: Path) -> list[str]:
    """What `script` prints as JSON, run by a fresh Python in `folder`."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", script]
    return json.loads(subprocess.check_output(command, cwd=folder, env=environment, text=True))


def test_imports_inside_functions_count_and_those_of_others_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(code, "PACKAGE", tmp_path / "stages")
    files = {
        "__init__.py": "",
        "go.py": "import numpy\nfrom stages.near import first\nimport other.stages.absent\n",
        "near/__init__.py": "",
        "near/first.py": "def late():\n    import stages.far.second as second\n    return second\n",
        "far/__init__.py": "from stages.far import third\n",
        "far/second.py": "",
        "far/third.py": "from stages.go import main\n",  # a ring
        "alone/fourth.py": "import stages.go\n",
    }
    for name, text in files.items():
        (tmp_path / "stages" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "stages" / name).write_text(text, encoding="utf-8")
    reached = code.closure(tmp_path / "stages" / "go.py")
    names = {path.relative_to(tmp_path / "stages").as_posix() for path in reached}
    assert names == {*files} - {"alone/fourth.py"}
    assert [path.name for path in code.rooms("go")] == ["far", "go.py", "near"]


def test_the_project_is_reached_but_is_no_part_of_a_key() -> None:
    reached = {path.relative_to(code.PACKAGE).parts[0] for path in code.closure(code.PACKAGE / "train.py")}
    assert "project" in reached
    rooms = code.rooms("train")
    assert {path.name for path in rooms} == reached - code.UNTRACKED - {"__init__.py"}
    assert rooms == sorted(rooms)
    assert all(path.is_absolute() and path.exists() for path in rooms)


@pytest.mark.parametrize("first", ["", "import stages.preprocess", "import stages.cli"])
def test_rooms_depend_neither_on_what_is_loaded_nor_on_the_working_folder(tmp_path: Path, first: str) -> None:
    script = "import json; from stages.core import code; print(json.dumps([*map(str, code.rooms('train'))]))"
    assert asked(f"{first}\n{script}", tmp_path) == [str(path) for path in code.rooms("train")]
