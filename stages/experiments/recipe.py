"""A preset: a recipe by name, as a file of presets/ holds it."""

import difflib
import json
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints
from ruamel.yaml import YAML

from stages.core.errors import UserError

FOLDER = Path(__file__).parents[1] / "presets"

# What neither a shell nor DVC's grammar of overrides reads anything into.
Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_./-]+$")]
Overrides = dict[Word, bool | int | float | Word | list[Word] | list[int] | list[float] | None]


class Publication(BaseModel):
    """The number that a system was published with.

    metric: in words, as it was published. value: the number. ours: that of reports/evaluate/metrics.json that
    is counted like it, or that we take where the publication is silent; `section.key`. as_published:
    overrides that divide the data as the publication did.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    metric: str
    value: float | None
    ours: Word
    as_published: Overrides

    @property
    def sentence(self) -> str:
        """Metric and number."""
        return self.metric if self.value is None else f"{self.metric} {self.value:g}"


class Preset(BaseModel):
    """One file of presets/. `arms` are compared, each under `overrides`; the first is the reference."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    about: str
    source: str | None = None
    protocol: str | None = None
    published: Publication | None = None
    overrides: Overrides
    arms: dict[Word, Overrides] = {}

    def lines(self) -> list[str]:
        """What it is, how it was measured, where it is from and what was published."""
        lines = [self.about]
        lines += [f"{name}: {text}" for name in ("protocol", "source") if (text := getattr(self, name))]
        return lines + ([f"published: {self.published.sentence}"] if self.published else [])


def names() -> list[str]:
    """The shipped presets."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load(name: str) -> Preset:
    """Read a preset; raises `UserError` where none has that name."""
    if name not in names():
        near = difflib.get_close_matches(name, names(), n=1)
        way_out = f"did you mean {near[0]}?" if near else f"there are {', '.join(names())}"
        raise UserError(f"no preset is called {name}; {way_out}")
    return Preset.model_validate(YAML(typ="safe", pure=True).load(FOLDER / f"{name}.yaml"))


def words(overrides: Overrides) -> list[str]:
    """`section.key=value` of each override, as DVC's -S reads it."""
    texts = {
        key: value if isinstance(value, str) else json.dumps(value, separators=(",", ":")).replace('"', "")
        for key, value in overrides.items()
    }
    return [f"{key}={text}" for key, text in texts.items()]
