"""docs/architecture.md is held to the code: its picture, its list of rooms, the files that it names."""

import re

import networkx as nx

from tests.pipeline.import_graph import PACKAGE, ROOT, imported_by
from tests.pipeline.rooms import ROOMS, SOURCES

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_the_picture_has_the_arrows_of_the_code() -> None:
    drawn = set(re.findall(r"^  (\w+) --> (\w+)$", PAGE, re.MULTILINE))
    rooms = nx.DiGraph()
    for path in SOURCES:
        for other in imported_by(path):
            ends = {path.parts[1], other.parts[1]}
            if len(path.parts) == len(other.parts) == 3 and len(ends) == 2 and "core" not in ends:
                rooms.add_edge(path.parts[1], other.parts[1])
    assert drawn == set(nx.transitive_reduction(rooms).edges)


def test_every_room_is_listed_with_its_own_words() -> None:
    listed = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE.split("## A stage")[0], re.MULTILINE))
    assert list(listed) == list(ROOMS)
    for room, words in listed.items():
        assert (PACKAGE / room / "__init__.py").read_text(encoding="utf-8").startswith(f'"""{words}')


def test_the_files_that_it_names_are_there() -> None:
    named = re.findall(r"`((?:\w+/)*\w+\.py)`", PAGE)
    assert named
    for name in named:
        assert list(PACKAGE.rglob(name)), name
