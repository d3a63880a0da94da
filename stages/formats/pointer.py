"""What stands in a file's place where the tool that manages it has not fetched it: a few words, or a link to
nothing.
"""

import re
from pathlib import Path

MAX_BYTES = 32 << 10
"""No pointer is larger: git-lfs keeps to 1 KiB, git-annex to 32 KiB."""

_LFS = re.compile(rb"version https?://[\w.-]*(git-lfs|hawser)[\w.-]*\.com/spec/")
"""https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md; hawser was its name until 2014."""
_ANNEX = re.compile(rb"[^\x00-\x1f]*[/\\]annex[/\\]objects[/\\][^\x00-\x1f]+(\n|$)")
"""https://git-annex.branchable.com/internals/pointer_file; and, one line as well, what git writes for a link
on a file system that has none.
"""


def way_out(start: bytes) -> str | None:
    """What a file that begins with `start` is instead of its content, and what fetches that; None of any
    other file.
    """
    if _LFS.match(start):
        return "it is a git-lfs pointer, not the file itself; run `git lfs pull`"
    if _ANNEX.match(start):
        return "it is a git-annex pointer, not the file itself; run `git annex get` on it"
    return None


def dangling(link: Path) -> str:
    """What a link that leads nowhere is, by the tool that made it, and what to do."""
    target = link.readlink().as_posix()
    if "/annex/objects/" in target:
        return "it is a link of git-annex, which has not fetched the file; run `git annex get` on it"
    if re.search(r"/files/md5/|\.dvc/cache/", target):
        return "it is a link into DVC's cache, which does not hold the file; run `dvc pull`"
    try:
        link.resolve(strict=True)
    except FileNotFoundError:
        return f"it is a link to {target}, where nothing is; mend it, or fetch what it leads to"
    except (OSError, RuntimeError):
        return f"it is a link to {target}, which leads in a circle; put the file in its place"
    return f"it is a link to {target}, which cannot be followed; put the file in its place"
