"""Names that are no text: written down legibly, and in names of files that any system takes."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.predicting.scan import Scan, legible, writable


@pytest.mark.parametrize(
    ("name", "text", "written"),
    [
        ("Łukasz é", "Łukasz é", "Łukasz é"),
        ("caf\udce9", "caf\\xe9", "caf%xe9"),
        ("a\nb\x1b[2J", "a\\nb\\x1b[2J", "a%nb%x1b[2J"),
        ("a\\b", "a\\b", "a%b"),
    ],
)
def test_names(name, text, written):
    assert (legible(name), writable(name)) == (text, written)
    path = Path("/in") / f"{name}.png"
    scan = Scan.at(path, "flat", [path])
    assert (str(scan), scan.name) == (f"/in/{text}.png", written)


@given(st.binary(max_size=20))
def test_any_bytes_of_a_name(content):
    name = os.fsdecode(content)
    assert legible(name).encode("utf-8").decode().isprintable() or not name.isascii()
    assert legible(legible(name)) == legible(name)
    assert not set(writable(name)) & set("\\\n\0")
