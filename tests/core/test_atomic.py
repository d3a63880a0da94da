"""Writing by temporary sibling and rename: all of it or nothing, whatever stops the writer."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stages.core import atomic

ROOT = Path(__file__).parents[2]


class Stop(BaseException):
    """As `KeyboardInterrupt`: no `except Exception` sees it."""


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, Stop])
def test_a_failing_block_leaves_what_was_there(tmp_path: Path, error: type[BaseException]) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").write_text("old")
    (tmp_path / "out.csv").write_text("old")

    def fill() -> None:
        with atomic.directory(tmp_path / "out") as folder, atomic.file(tmp_path / "out.csv") as part:
            (folder / "new").write_text("new")
            part.write_text("new")
            raise error

    with pytest.raises(error):
        fill()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "out.csv"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["old"]
    assert (tmp_path / "out.csv").read_text() == "old"


def test_nothing_appears_under_its_name_before_the_block_ends(tmp_path: Path) -> None:
    with atomic.directory(tmp_path / "a" / "out") as folder, atomic.file(tmp_path / "a" / "one.txt") as part:
        (folder / "inner").write_text("x")
        part.write_text("y")
        assert not (tmp_path / "a" / "out").exists()
        assert not (tmp_path / "a" / "one.txt").exists()
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["one.txt", "out"]


def test_a_new_folder_replaces_the_old_one_whole(tmp_path: Path) -> None:
    for name in ("old", "new"):
        with atomic.directory(tmp_path / "out") as folder:
            (folder / name).write_text(name)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["new"]


def test_a_folder_that_is_a_link_is_replaced_and_its_target_kept(tmp_path: Path) -> None:
    """DVC may have linked an out from its cache; to follow the link would delete the cache."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "kept").write_text("kept")
    (tmp_path / "out").symlink_to(tmp_path / "cache")
    with atomic.directory(tmp_path / "out") as folder:
        (folder / "new").write_text("new")
    assert not (tmp_path / "out").is_symlink()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["new"]
    assert (tmp_path / "cache" / "kept").read_text() == "kept"


def test_a_hard_linked_file_is_replaced_and_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "cached").write_text("cached")
    os.link(tmp_path / "cached", tmp_path / "out")
    atomic.text("new", tmp_path / "out")
    assert (tmp_path / "cached").read_text() == "cached"


def test_a_killed_process_leaves_nothing_that_looks_finished_and_the_next_one_tidies_up(
    tmp_path: Path,
) -> None:
    code = """
import os, signal, sys
from pathlib import Path
from stages.core import atomic
root = Path(sys.argv[1])
with atomic.directory(root / "out") as folder, atomic.file(root / "one.txt") as part:
    (folder / "half").write_text("half")
    part.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    left = [path.name for path in tmp_path.iterdir()]
    assert len(left) == 2
    assert all(name.startswith(".") for name in left)

    with atomic.directory(tmp_path / "out") as folder:
        (folder / "whole").write_text("whole")
    atomic.text("whole", tmp_path / "one.txt")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.txt", "out"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["whole"]


def test_text_is_utf8_with_unix_line_ends(tmp_path: Path) -> None:
    atomic.text("ä\nb\n", tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == b"\xc3\xa4\nb\n"


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_json_refuses_what_json_cannot_say_and_metrics_call_it_undefined(
    tmp_path: Path, number: float
) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        atomic.json_file({"a": {"b": number}}, tmp_path / "x.json")
    assert not list(tmp_path.iterdir())
    atomic.metrics({"a": {"b": number}, "c": 1}, tmp_path / "x.json")
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": {"b": None}, "c": 1}


def test_metrics_are_rounded_where_they_are_numbers_and_nowhere_else(tmp_path: Path) -> None:
    value = {
        "test": {"dice": 0.123456789, "n": 123456789, "leaky": True, "name": "0.123456789", "none": None}
    }
    atomic.metrics(value, tmp_path / "m.json")
    wanted = {"test": {"dice": 0.123457, "n": 123456789, "leaky": True, "name": "0.123456789", "none": None}}
    assert json.loads((tmp_path / "m.json").read_text()) == wanted
    assert (tmp_path / "m.json").read_text().endswith("}\n")
