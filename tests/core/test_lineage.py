"""Keys of a training: changed by everything that counts, by nothing else."""

import hashlib
import os
from pathlib import Path

import pytest

from stages.core import lineage


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    folder = tmp_path / "slices"
    folder.mkdir()
    (folder / "images-000.npy").write_bytes(b"pixels")
    (folder / "index.csv").write_bytes(b"rows")
    (tmp_path / "splits.csv").write_bytes(b"splits")
    (tmp_path / "code.py").write_bytes(b"code")
    return tmp_path


def key(root: Path, params: dict[str, float] | None = None) -> str:
    return lineage.key(
        params or {"lr": 0.1, "seed": 0}, [root / "slices", root / "splits.csv"], [root / "code.py"]
    )


@pytest.mark.parametrize("name", ["slices/images-000.npy", "slices/index.csv", "splits.csv", "code.py"])
def test_content_counts(inputs: Path, name: str) -> None:
    before = key(inputs)
    content = (inputs / name).read_bytes()
    (inputs / name).write_bytes(content + b"!")
    assert key(inputs) != before
    (inputs / name).write_bytes(content)
    assert key(inputs) == before


def test_params_count_in_any_order(inputs: Path) -> None:
    before = key(inputs)
    assert key(inputs, {"lr": 0.1, "seed": 1}) != before
    assert key(inputs, {"seed": 0, "lr": 0.1}) == before


def test_names_and_new_files_count(inputs: Path) -> None:
    before = key(inputs)
    (inputs / "slices/index.csv").rename(inputs / "slices/index2.csv")
    renamed = key(inputs)
    (inputs / "slices/empty").touch()
    assert len({before, renamed, key(inputs)}) == 3


def test_swapped_contents_count(inputs: Path) -> None:
    before = key(inputs)
    (inputs / "slices/images-000.npy").write_bytes(b"rows")
    (inputs / "slices/index.csv").write_bytes(b"pixels")
    assert key(inputs) != before


def test_dates_and_the_place_do_not_count(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    before = key(inputs)
    os.utime(inputs / "slices/index.csv", (1, 1))
    os.utime(inputs / "slices", (1, 1))
    assert key(inputs) == before
    elsewhere = tmp_path_factory.mktemp("moved") / "project"
    inputs.rename(elsewhere)
    assert key(elsewhere) == before


def test_compiled_code_does_not_count(inputs: Path) -> None:
    room = inputs / "room"
    room.mkdir()
    (room / "module.py").write_bytes(b"code")
    before = lineage.key({}, [], [room])
    for folder in (room, room / "deeper"):
        (folder / "__pycache__").mkdir(parents=True)
        (folder / "__pycache__" / "module.cpython-312.pyc").write_bytes(b"compiled")
    assert lineage.key({}, [], [room]) == before
    (room / "deeper" / "module.py").write_bytes(b"code")
    assert lineage.key({}, [], [room]) != before


def test_content_hash_is_sha256(inputs: Path) -> None:
    assert lineage.content_hash(inputs / "code.py") == hashlib.sha256(b"code").hexdigest()
