"""The picture of the rooms for the site, which has no Mermaid: that would be a script from the network."""

import re
from pathlib import Path

import matplotlib
import networkx as nx
from matplotlib.figure import Figure

MERMAID = re.compile(r"```mermaid\n(.*?)```\n", re.DOTALL)
ROW, COLUMN = 0.8, 1.5
"""Inches from name to name."""
SWEEPS = 24


def draw(page: str, path: Path) -> None:
    """Draw the arrows of a page's Mermaid block, each pointing up, as SVG."""
    block = MERMAID.search(page)
    assert block
    rooms = nx.DiGraph(re.findall(r"^  (\w+) --> (\w+)$", block[1], re.MULTILINE))
    rooms.add_nodes_from(re.findall(r"^  (\w+)$", block[1], re.MULTILINE))
    rows = _rows(rooms)
    places = {
        room: ((n - (len(row) - 1) / 2) * COLUMN, -level * ROW)
        for level, row in enumerate(rows)
        for n, room in enumerate(row)
    }
    width, height = max(map(len, rows)) * COLUMN, len(rows) * ROW
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(-width / 2, width / 2), ylim=(ROW / 2 - height, ROW / 2))
    axes.set_axis_off()
    for start, end in rooms.edges:
        arrow = {"arrowstyle": "-|>", "color": "#555", "shrinkA": 9, "shrinkB": 9}
        axes.annotate("", places[end], places[start], arrowprops=arrow)
    for room, place in places.items():
        box = {"boxstyle": "round", "facecolor": "white", "edgecolor": "#005a87"}
        axes.text(*place, room, ha="center", va="center", fontsize=12, bbox=box)
    with matplotlib.rc_context({"svg.hashsalt": "rooms", "svg.fonttype": "none"}):
        figure.savefig(path, format="svg", metadata={"Date": None})


def _rows(rooms: nx.DiGraph) -> list[list[str]]:
    """Rooms by the longest way to one that uses no other, in an order with few crossings: each is drawn
    towards the mean of its neighbours (Sugiyama et al. 1981).
    """
    rows = [sorted(generation) for generation in nx.topological_generations(rooms.reverse())]
    for _ in range(SWEEPS):
        for row in rows:
            centre = {room: n - (len(other) - 1) / 2 for other in rows for n, room in enumerate(other)}
            near = {room: [*rooms.predecessors(room), *rooms.successors(room)] for room in row}
            row.sort(key=lambda room: sum(centre[other] for other in near[room]) / max(len(near[room]), 1))
    return rows
