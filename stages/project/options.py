"""Params that a command is given by options, where no params.yaml may be."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stages.core.errors import UserError
from stages.project import params
from stages.project.params import Ingest

_PLAIN: dict[str, Any] = {
    "labels": None,
    "channels": None,
    "unannotated": "drop",
    "categories": None,
    "also": None,
    "limit": None,
    "seed": 0,
}
"""What an option leaves open: all scans, as their files say."""


def ingest(source: str, location: str | None, others: Sequence[str]) -> Ingest:
    """Params of ingest: source, location (relative to the working folder), and `key=value` of others, the
    value as YAML. Raises `UserError` naming the key.
    """
    values = {"source": source, "location": _absolute(location), **_PLAIN}
    for other in others:
        key, sign, text = other.partition("=")
        key = key.strip().removeprefix("ingest.")
        if not sign or not key:
            raise UserError(f"{other!r} is no param with its value; write it as -S labels=brats")
        if key in ("source", "location", "also"):
            raise UserError(f"-S {key} cannot be set; use --source and --location, of one set at a time")
        try:
            values[key] = YAML(typ="safe", pure=True).load(text)
        except (YAMLError, ValueError, KeyError):
            raise UserError(f"-S {other}: the value is not valid YAML; correct it") from None
    return params.ingest(values)


def _absolute(location: str | None) -> str | None:
    """A path as it is from the working folder; addresses, which have a colon, as they are."""
    if location is None or "://" in location or location.startswith("kaggle:"):
        return location
    return str(Path(location).expanduser().absolute())
