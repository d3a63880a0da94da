"""Results kept between runs: the right one or none, never more than may be."""

import ast
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core import code, kept
from stages.core.errors import UserError
from stages.core.kept import Kept

SCRIPT = code.PACKAGE / "preprocessing/keeping.py"


def test_a_result_comes_back_and_no_other(tmp_path: Path) -> None:
    results = Kept(tmp_path, "basis")
    results.put(results.key("a"), b"first ", memoryview(b"result"))
    assert results.get(results.key("a")) == b"first result"
    assert results.get(results.key("b")) is None
    assert Kept(tmp_path, "other").get(Kept(tmp_path, "other").key("a")) is None


def test_a_damaged_result_is_none(tmp_path: Path) -> None:
    results = Kept(tmp_path, "basis")
    key = results.key("a")
    results.put(key, b"result")
    (path,) = tmp_path.glob("*/*")
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert results.get(key) is None
        path.write_bytes(whole[:place])
        assert results.get(key) is None


def test_a_folder_that_cannot_be_written_keeps_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    results = Kept(tmp_path / "file", "basis")
    results.put(results.key("a"), b"result")
    assert results.get(results.key("a")) is None


def test_recipe_code_libraries_and_processor_are_in_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def key(recipe: object = 1) -> str:
        return Kept.of(tmp_path, recipe).key("case")

    before = key()
    assert key() == before != key(2)
    with monkeypatch.context() as patch:
        patch.setattr(kept, "version", lambda name: "2" if name == "tifffile" else "1")
        other = key()
        patch.setattr(kept, "version", lambda name: "1")
        assert len({before, other, key()}) == 3
    with monkeypatch.context() as patch:
        patch.setattr(kept, "_processor", lambda: ["AuthenticAMD", ["avx2"]])
        assert key() != before
    with monkeypatch.context() as patch:
        patch.setattr(code, "digest", lambda: "of other code")
        assert key() != before


def test_every_library_that_decodes_or_computes_is_in_the_key() -> None:
    """What the two kinds of results import from outside, by the source, is in the list."""
    packages = {"cv2": "opencv-python-headless", "PIL": "pillow"}
    # These hash, download, share out or show.
    others = {"dask_jobqueue", "distributed", "faiss", "kagglehub", "pydantic_core", "requests", "rich"}
    others |= {"ruamel", "threadpoolctl", "torch"}
    scripts = [SCRIPT, code.PACKAGE / "checks/measuring.py"]
    nodes = [
        node
        for script in scripts
        for file in code.closure(script)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    ]
    modules = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    modules |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    outside = {module.split(".")[0] for module in modules} - sys.stdlib_module_names - {"stages"}
    assert {packages.get(name, name) for name in outside} - others == set(kept.LIBRARIES)


@given(st.lists(st.integers(1, 200), max_size=12), st.integers(0, 1000))
def test_trimming_leaves_what_was_used_last(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], limit: int
) -> None:
    folder = tmp_path_factory.mktemp("kept")
    results = Kept(folder, "")
    keys = [results.key(number) for number in range(len(sizes))]
    for number, (key, size) in enumerate(zip(keys, sizes, strict=True)):
        results.put(key, bytes(size))
        os.utime(folder / key[:2] / key[2:], ns=(number, number))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(kept.LIMIT, repr(limit / 2**30))
        kept.trim(folder)
    left = [number for number, key in enumerate(keys) if results.get(key) is not None]
    assert left == list(range(len(sizes) - len(left), len(sizes)))  # the youngest
    taken = [size + 32 for size in sizes]
    assert sum(taken[number] for number in left) <= limit
    if len(left) < len(sizes):  # not one more would have fitted
        assert sum(taken[len(sizes) - len(left) - 1 :]) > limit


def test_what_is_used_stays_longest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = Kept(tmp_path, "")
    old, new = results.key("old"), results.key("new")
    for age, key in enumerate((old, new)):
        results.put(key, bytes(100))
        os.utime(tmp_path / key[:2] / key[2:], ns=(age, age))
    assert results.get(old)
    monkeypatch.setenv(kept.LIMIT, repr(150 / 2**30))
    kept.trim(tmp_path)
    assert (results.get(old) is not None, results.get(new) is not None) == (True, False)


@pytest.mark.parametrize("text", ["much", "-1", "nan", "inf", "1,5"])
def test_a_limit_that_is_no_number(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(kept.LIMIT, text)
    with pytest.raises(UserError, match=f"{kept.LIMIT} is '{text}', not a number of GiB; set it"):
        kept.limit_bytes()
