"""What this project needs of others, and which extra brings it: predict, serve and next need none."""

import re
import sys
import tomllib
from collections import defaultdict
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

NAME = "brainseg"
PROJECT = Path(__file__).resolve().parents[2]
"""Where pyproject.toml and constraints.txt are, unless the package was installed away from them."""
TRAIN = "train"
SMALL = ("predict", "serve", "next", "drift")
"""Commands that run without the extra `TRAIN`; what they lack comes with the extra that lists it."""
_NAMED = re.compile(r"[\w.-]+")
_INNER = re.compile(rf"{NAME}\[([\w, -]+)\]")
"""Extras that an extra of this project brings along."""
_EXTRA = re.compile(r"""extra == ['"]([\w-]+)['"]""")


@dataclass(frozen=True)
class Requirements:
    """Lines of PEP 508: those of every installation, and those that each extra lists. python: of versions."""

    python: str
    always: list[str]
    extras: dict[str, list[str]]

    @classmethod
    def read(cls, project: Path = PROJECT) -> "Requirements":
        """Those in pyproject.toml, or what the installation kept of it."""
        path = project / "pyproject.toml"
        if path.is_file():
            table = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
            extras = table.get("optional-dependencies", {})
            return cls(table.get("requires-python", ""), table.get("dependencies", []), extras)
        try:
            kept = metadata.metadata(NAME)
        except metadata.PackageNotFoundError:
            return cls("", [], {})
        listed = defaultdict(list)
        for line in kept.get_all("Requires-Dist") or []:
            required, _, marker = line.partition(";")
            extra = _EXTRA.search(marker)
            listed[extra[1] if extra else ""].append(required.strip())
        return cls(kept["Requires-Python"], listed.pop("", []), dict(listed))

    def of(self, extra: str) -> list[str]:
        """What an extra brings, with what the extras in it bring."""
        lines = []
        for line in self.extras.get(extra, []):
            if inner := _INNER.match(line):
                lines += [of_inner for name in inner[1].split(",") for of_inner in self.of(name.strip())]
            else:
                lines.append(line)
        return lines

    def listing(self, package: str) -> str:
        """The extra that lists a package by its name, "" where every installation has it; else `TRAIN`."""
        for extra, lines in {"": self.always, **self.extras}.items():
            names = filter(None, map(_NAMED.match, lines))
            if _plain(package) in {_plain(name[0]) for name in names}:
                return extra
        return TRAIN


def advice(command: str, error: ModuleNotFoundError) -> str | None:
    """A sentence for a command that met a package that is not installed; None where the error is another."""
    package = (error.name or "").partition(".")[0]
    if not package or package in sys.stdlib_module_names or util.find_spec(package) is not None:
        return None
    extra = Requirements.read().listing(package) if command in SMALL else TRAIN
    return f"{NAME} {command} needs {package}, which is not installed; {install(extra)}"


def install(extra: str) -> str:
    """The command that installs the project with an extra, "" for none: at tested versions in a clone."""
    bracket = f"[{extra}]" if extra else ""
    if (PROJECT / "pyproject.toml").is_file():
        return f"pip install -c constraints.txt -e '.{bracket}'"
    return f"pip install '{NAME}{bracket}'"


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
