"""The project as git holds it at a branch, tag, commit or experiment; the work tree is left alone."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from stages.core import git
from stages.core.errors import UserError

LARGEST = 64 * 2**20
"""Bytes. What is read here is a few kilobytes of text; a blob beyond this is something else."""


@dataclass(frozen=True)
class Blob:
    """A file in git: its object's name and its size in bytes."""

    oid: str
    size: int


@dataclass(frozen=True)
class Revision:
    """A commit under the user's name for it, and the files it has in and below this folder, by path."""

    name: str
    commit: str
    files: dict[str, Blob] = field(repr=False)

    def __str__(self) -> str:
        return f"{self.name} ({self.commit[:7]})"

    def text(self, path: Path) -> str | None:
        """Content of a file, None where the revision has no such file; raises `UserError` where it is no
        text.
        """
        blob = self.files.get(path.as_posix())
        if blob is None:
            return None
        if blob.size > LARGEST:
            raise UserError(f"{path} of {self} has {blob.size / 2**20:.0f} MiB; that is no result")
        try:
            return git.read("cat-file", "blob", blob.oid).decode("utf-8-sig")
        except UnicodeDecodeError:
            raise UserError(f"{path} of {self} is not text; restore it and commit") from None

    def contents(self, paths: Iterable[str]) -> dict[str, bytes]:
        """Content of those of the named files that the revision has, too large ones left out."""
        known = [path for path in paths if path in self.files and self.files[path].size <= LARGEST]
        contents: dict[str, bytes] = {}
        names = "".join(f"{self.files[path].oid}\n" for path in known)
        stream = git.read("cat-file", "--batch", stdin=names.encode())
        place = 0
        for path in known:  # each comes as "<oid> blob <size>\n<content>\n"
            start = stream.index(b"\n", place) + 1
            end = start + self.files[path].size
            contents[path] = stream[start:end]
            place = end + 1
        return contents


def resolve(name: str) -> Revision:
    """The commit that a revision or the name of an experiment means; raises `UserError` where none does."""
    commit = _commit(name) or _experiment(name)
    if commit is None:
        raise UserError(_unknown(name))
    files = {}
    # Relative to this folder, which need not be the root of the repository.
    for line in git.text("ls-tree", "-r", "-l", "-z", commit).split("\0"):
        about, tab, path = line.partition("\t")
        if tab and (kind := about.split())[1] == "blob":
            files[path] = Blob(kind[2], int(kind[3]))
    return Revision(name, commit, files)


def uncommitted(paths: Iterable[Path]) -> list[str]:
    """Those of the named files, and of the files below the named folders, that are not as HEAD has them."""
    names = [path.as_posix() for path in paths]
    changed = git.text("diff", "--name-only", "-z", "--relative", "--no-ext-diff", "HEAD", "--", *names)
    return [name for name in changed.split("\0") if name]


def _commit(name: str) -> str | None:
    return git.answer("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")


def _experiment(name: str) -> str | None:
    """DVC keeps experiment `name` of a commit abcd... under refs/exps/ab/cd.../name."""
    lines = git.text("for-each-ref", "--format=%(objectname) %(refname)", "refs/exps/").splitlines()
    refs = {ref: oid for oid, ref in (line.split(" ", 1) for line in lines)}
    alike = [ref for ref in refs if ref.count("/") == 4 and ref.endswith(f"/{name}")]
    if len(alike) > 1:
        raise UserError(
            f"{name} names {len(alike)} experiments of different commits; give one in full: {alike[0]}"
        )
    return refs[alike[0]] if alike else None


def _unknown(name: str) -> str:
    if git.answer("rev-parse", "--is-shallow-repository") != "true":
        return f"there is no revision or experiment {name}; `git branch -a` and `dvc exp show` list them"
    if re.search(r"[~^@:]", name) or name == "HEAD":
        way_out = "run `git fetch --unshallow`"
    else:
        branch = name.removeprefix("refs/remotes/").removeprefix("origin/")
        way_out = f"run `git fetch --depth=1 origin {branch}` and compare with FETCH_HEAD"
    return f"this clone is shallow and {name} is not in it; {way_out}"
