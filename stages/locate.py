"""See whether the scans at ingest.location are still the same; where not, ingest and what follows runs.

python -m stages.locate          # what `dvc repro` always runs; about half a second
"""

import json
import sys
from pathlib import Path
from typing import Any

import typer

from stages.core import atomic, errors
from stages.core.record import CORRECTIONS
from stages.project.params import Ingest, load
from stages.project.paths import Paths
from stages.sources import inventory

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main() -> None:
    """See whether the scans at ingest.location have changed."""
    run(load(Ingest), Paths())


def run(params: Ingest, paths: Paths) -> dict[str, Any]:
    """Write data/location.json: of `ingest.location` and `ingest.also` the number of files, their bytes and a
    hash of their contents; null where there is none, or it cannot change, as a version on Kaggle. Returns it.

    A location that is not here, or cannot be reached, counts as unchanged, with a note: whoever pulled
    data/raw need not have it. Raises `UserError` where it was never seen.
    """
    before = _before(paths.location)
    inventories = {
        key: _inventory(f"ingest.{key}", source, place, paths, before.get(key))
        for key, source, place in (
            ("location", params.source, params.location),
            ("also", CORRECTIONS, params.also),
        )
    }
    atomic.json_file(inventories, paths.location)
    return inventories


def _before(path: Path) -> dict[str, Any]:
    """The inventories of the last run, empty where there are none."""
    try:
        inventories = json.loads(path.read_bytes())
        return inventories if isinstance(inventories, dict) else {}
    except (OSError, ValueError):
        return {}


def _inventory(key: str, source: str, place: str | None, paths: Paths, before: Any) -> Any:
    """What is at a place now, as the file has it; or what was there `before`, where it cannot be seen."""
    if place is None or place.startswith("kaggle:"):  # whose versions do not change
        return None
    name = inventory.name(source, place)
    try:
        if "://" in place:
            now = inventory.of_address(place, source, key)
        else:
            path = paths.project / Path(place).expanduser()
            now = inventory.of_path(path, source, paths.located / f"{name}.json", key)
    except inventory.Absent as error:
        if not isinstance(before, dict) or before.get("place") != name:
            raise
        print(f"note: {error}; until then it counts as unchanged", file=sys.stderr)
        return before
    if now.untold:
        print(
            f"note: {key} {place}: the server tells neither time nor tag of {now.untold} files; a change "
            "that keeps their size is not noticed",
            file=sys.stderr,
        )
    return {"place": name, "files": now.files, "bytes": now.bytes, "hash": now.hash}


if __name__ == "__main__":
    errors.run(app)
