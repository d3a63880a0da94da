"""Names that are no text, written down legibly and for any file system; the hash of what a scan contains."""

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.predicting.scan import Scan, legible, writable
from stages.scan.header import Unreadable


@pytest.mark.parametrize(
    ("name", "text", "written"),
    [
        ("Łukasz é", "Łukasz é", "Łukasz é"),
        ("caf\udce9", "caf\\xe9", "caf%xe9"),
        ("a\nb\x1b[2J", "a\\nb\\x1b[2J", "a%nb%x1b[2J"),
        ("a\\b", "a\\b", "a%b"),
    ],
)
def test_names(name: str, text: str, written: str) -> None:
    assert (legible(name), writable(name)) == (text, written)
    path = Path("/in") / f"{name}.png"
    scan = Scan.at(path, "flat", [path])
    assert (str(scan), scan.name) == (f"/in/{text}.png", written)


@given(st.binary(max_size=20))
def test_any_bytes_of_a_name(content: bytes) -> None:
    name = os.fsdecode(content)
    assert legible(name).encode("utf-8").decode().isprintable() or not name.isascii()
    assert legible(legible(name)) == legible(name)
    assert not set(writable(name)) & set("\\\n\0")


def lgg(folder: Path, *contents: bytes) -> Scan:
    folder.mkdir()
    files = [folder / f"x_{number}.tif" for number in range(len(contents))]
    for file, content in zip(files, contents, strict=True):
        file.write_bytes(content)
    return Scan.at(folder, "lgg", files)


def test_the_hash_is_of_what_files_contain_and_not_of_where_they_lie(tmp_path: Path) -> None:
    first = lgg(tmp_path / "a", b"one", b"two")
    assert lgg(tmp_path / "b", b"one", b"two").content_hash() == first.content_hash()
    renamed = tmp_path / "a" / "y_0.tif"
    (tmp_path / "a" / "x_0.tif").rename(renamed)
    other = Scan.at(tmp_path / "a", "lgg", [renamed, tmp_path / "a" / "x_1.tif"])
    assert other.content_hash() == hashlib.sha256(b"onetwo").hexdigest()
    others = [(b"one", b"twa"), (b"one",), (b"two", b"one"), (b"one", b"two", b"two")]
    hashes = {lgg(tmp_path / f"d{n}", *parts).content_hash() for n, parts in enumerate(others)}
    assert len(hashes - {other.content_hash()}) == len(others)


def test_a_file_that_is_gone_has_no_hash(tmp_path: Path) -> None:
    scan = lgg(tmp_path / "a", b"one")
    scan.files[0].open().close()
    (tmp_path / "a" / "x_0.tif").unlink()
    with pytest.raises(Unreadable):
        scan.content_hash()
