"""Whose version a git tag registers: of the project at the repository's root, or of one in a folder of it.

GTO's names: the artefact of the project in the folder a/b is `a/b:tumour-segmenter`, and its version 1.0.0
the annotated tag `a/b=tumour-segmenter@v1.0.0`.
"""

import re
from pathlib import Path
from typing import Any

from stages.core import git
from stages.core.errors import UserError

ARTIFACT = "tumour-segmenter"
"""Its name in dvc.yaml, in git tags and in MLflow's registry."""
_FOLDER = re.compile(r"[\w./-]+", re.ASCII)
"""What GTO takes for a folder."""


def folder(place: Path) -> str:
    """Where a folder lies in its repository, "" for the root, and where there is none.

    Raises `UserError` where no tag can have that name.
    """
    inside = (git.answer("rev-parse", "--show-prefix", folder=place) or "").rstrip("/")
    if inside and not _FOLDER.fullmatch(inside):
        raise UserError(
            f"the folder {inside} of the repository has signs that no tag can have; rename it, with "
            "letters, digits, -, _ and . alone"
        )
    return inside


def artifact(project: str) -> str:
    """GTO's name of the artefact of the project in a folder."""
    return f"{project}:{ARTIFACT}" if project else ARTIFACT


def tag(project: str, version: str) -> str:
    """The git tag of a version."""
    return f"{project}={ARTIFACT}@{version}" if project else f"{ARTIFACT}@{version}"


def registered(scm: Any) -> dict[str, dict[str, str]]:
    """Commit of each version, oldest first, by the folder of its project; withdrawn ones left out.

    scm: scmrepo's Git.
    """
    from gto.constants import Action
    from gto.tag import find, parse_name

    def of(action: Action) -> dict[tuple[str, str], str]:
        commits = {}
        for entry in find(action=action, scm=scm):
            named = parse_name(entry.name)
            project, _, name = named["name"].rpartition(":")
            if name == ARTIFACT:
                commits[project, named["version"]] = entry.target
        return commits

    withdrawn = of(Action.DEREGISTER)
    projects: dict[str, dict[str, str]] = {}
    for (project, version), commit in of(Action.REGISTER).items():
        if (project, version) not in withdrawn:
            projects.setdefault(project, {})[version] = commit
    return projects
