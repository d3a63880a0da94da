"""Results as zip archives: a scan's, or those of all scans with their summary, as predict lays them out."""

import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from stages.inference.spec import Spec
from stages.predicting.writing import SUMMARY
from stages.serving.entry import Entry

_MOMENT = (1980, 1, 1, 0, 0, 0)
"""Of every file in an archive: equal results make equal archives."""


def pack(path: Path, files: Iterable[tuple[str, Path]]) -> None:
    """Write files by their names into an archive. They are compressed already."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, file in files:
            about = zipfile.ZipInfo(name, _MOMENT)
            about.external_attr = 0o600 << 16
            with file.open("rb") as source, archive.open(about, "w", force_zip64=True) as target:
                while chunk := source.read(1 << 20):
                    target.write(chunk)


def below(folder: Path, prefix: str = "") -> Iterator[tuple[str, Path]]:
    """All files of a folder with their names there."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield str(PurePosixPath(prefix, path.relative_to(folder).as_posix())), path


def summarised(entries: Iterable[Entry], spec: Spec, home: Path) -> None:
    """Write the summaries of scans, as predict does, into the folder `home`."""
    from stages.predicting import summary  # with ONNX Runtime, which another process needs

    known = list(entries)
    failed = [
        {"scan": str(entry.scan), "error": entry.error or ""} for entry in known if entry.status == "failed"
    ]
    with summary.written(home, spec, failed) as table:
        for entry in known:
            if entry.answer is not None:
                names = [str(PurePosixPath(entry.place, name)) for name in entry.answer.files]
                table.add(entry.answer.row | {"files": names})


def everything(entries: Iterable[Entry], spec: Spec, home: Path) -> list[tuple[str, Path]]:
    """The files of all scans that have a mask, and the two summaries, which are written into `home`."""
    done = [entry for entry in entries if entry.answer is not None]
    files = [file for entry in done for file in below(entry.results, entry.place)]
    summarised(entries, spec, home)
    return files + [(name, home / name) for name in SUMMARY]
