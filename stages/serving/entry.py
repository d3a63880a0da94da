"""A scan at the server: what is known of it, from its arrival to its mask."""

import asyncio
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal, Self

from stages.predicting.scan import Scan
from stages.serving.view import View

Status = Literal["queued", "running", "done", "failed"]
Verdict = Literal["accepted", "corrected"]


@dataclass(frozen=True)
class Answer:
    """What the model made of a scan. row: of the summary. files: what was written, relative to the folder of
    results, the mask first.
    """

    row: dict[str, Any]
    view: View
    files: tuple[str, ...]

    def file(self, kind: str) -> str | None:
        """The mask, the picture of it (overlay) or the DICOM segmentation (dicom-seg); None where there is
        none.
        """
        ends = {"overlay": "_overlay.png", "dicom-seg": ".dcm"}
        if kind == "mask":
            return self.files[0]
        return next((name for name in self.files if kind in ends and name.endswith(ends[kind])), None)


@dataclass(frozen=True)
class Statement:
    """What a person says of a mask. who: free text; version: of the model that made it, where it has one."""

    verdict: Verdict
    who: str
    version: str | None


KINDS = ("mask", "overlay", "dicom-seg")


@dataclass
class Entry:
    """A scan. uploaded: the folder of its upload, which scans share that came together. notes: on the upload.
    place: the folder of its results among those of all.
    """

    scan: Scan
    uploaded: Path
    notes: tuple[str, ...] = ()
    status: Status = "queued"
    error: str | None = None
    answer: Answer | None = None
    verdict: Verdict | None = None
    place: str = ""
    key: str = field(default_factory=lambda: secrets.token_hex(8))
    drawing: asyncio.Lock = field(default_factory=asyncio.Lock)

    @classmethod
    def lost(cls, path: Path, why: str, uploaded: Path, notes: tuple[str, ...]) -> Self:
        """What might have been a scan and cannot be read."""
        return cls(Scan(path, "", (), ""), uploaded, notes, "failed", why)

    @property
    def home(self) -> Path:
        """Its folder: results/ has what predict writes, view/ its labels and what the page draws."""
        return self.uploaded / "made" / self.key

    @property
    def results(self) -> Path:
        return self.home / "results"

    @property
    def view(self) -> Path:
        return self.home / "view"

    def short(self) -> dict[str, Any]:
        """What an upload is answered with."""
        return {"id": self.key, "status": self.status, "name": str(self.scan)}

    def full(self) -> dict[str, Any]:
        """All that programs and the page may ask."""
        answer = self.answer
        return {
            **self.short(),
            "error": self.error,
            "notes": list(self.notes),
            "row": answer and answer.row,
            "verdict": self.verdict,
            "view": answer and asdict(answer.view),
            "formats": [kind for kind in KINDS if answer and answer.file(kind)],
        }

    def path_of(self, kind: str) -> Path | None:
        """Of a file, or of a folder of masks, by `Answer.file`."""
        name = self.answer and self.answer.file(kind)
        return self.results / PurePosixPath(name) if name else None
