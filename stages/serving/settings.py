"""What its user says of a server."""

from dataclasses import dataclass
from pathlib import Path

from stages.registry.versions import VERSION
from stages.serving.guard import Access

MAX_BYTES = 2 << 30
"""Of one upload: a BraTS case of four sequences has 10 MB, a thin-sliced series in 16 bits 300."""
MAX_WAITING = 500


@dataclass(frozen=True)
class Settings:
    """model: as --model names it, and folder or file: where that lies. keep: the folder in which results
    stay; corrections: in which accepted and corrected masks are collected; None of both for nowhere.
    """

    model: str
    path: Path
    access: Access
    max_bytes: int = MAX_BYTES
    max_waiting: int = MAX_WAITING
    keep: Path | None = None
    corrections: Path | None = None

    @property
    def version(self) -> str | None:
        """v1.0.0 of <repository>@v1.0.0; None of files that somebody has."""
        named = self.model.rpartition("@")[2]
        return named if VERSION.fullmatch(named) and not Path(self.model).exists() else None
