"""What the files of a case contain, as one hash: by it a result of the case is kept."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stages.core import lineage, record
from stages.core.errors import UserError
from stages.formats.reader import contained


def of(root: Path, rows: Iterable[dict[str, Any]]) -> dict[str, str] | None:
    """SHA-256 of each file below `root` that rows of a manifest name as `image` or `mask`, "" where it is not
    there, by name. None where one cannot be read or lies elsewhere: whoever decodes it says why.
    """
    hashes = {}
    named = {name for row in rows for part in ("image", "mask") for name in record.names(row[part])}
    for name in sorted(named - {""}):
        try:
            path = contained(root, name)
            hashes[name] = lineage.content_hash(path) if path.exists() else ""
        except (OSError, UserError):
            return None
    return hashes
