"""From the files of an upload to the scans in them, as predict lists those of a folder."""

from dataclasses import replace
from pathlib import Path, PurePosixPath

from stages.core.errors import UserError
from stages.formats import suffixes
from stages.inference.spec import Input
from stages.predicting import channels, discovery
from stages.predicting.discovery import Listing
from stages.predicting.scan import legible
from stages.serving import upload
from stages.serving.refusal import Refusal
from stages.serving.upload import Received

EXPANSION = 20
"""Bytes that an archive may unpack to, as a multiple of those that an upload may have."""
_KINDS = "PNG, JPEG, TIFF, NIfTI, DICOM or a zip of them"


def scans(received: Received, model_input: Input, max_bytes: int) -> Listing:
    """The scans of an upload, with paths as their sender knows them. Archives in it are unpacked.

    Raises `Refusal` where there is none, or an archive is none that can be trusted.
    """
    root = received.folder
    try:
        if received.named:
            place = _body(root, received.files[0], max_bytes)
        else:
            for name in received.files:
                if _is_archive(root / name):
                    _unpack(root / name, max_bytes)
            place = _top(root)
        listing = discovery.find([place], channels.sequences(model_input))
    except UserError as error:
        raise Refusal(415, sentence(str(error), root)) from None
    named = [replace(scan, path=_relative(scan.path, root)) for scan in listing.scans]
    failed = [(_relative(path, root), sentence(why, root)) for path, why in listing.failed]
    return Listing(named, failed, listing.left_out)


def sentence(text: str, root: Path) -> str:
    """A sentence without the folder that only this server knows."""
    return legible(text.replace(f"{root}/", "").replace(str(root), "the upload"))


def _relative(path: Path, root: Path) -> Path:
    return path.relative_to(root) if path != root else Path(root.name)


def _body(root: Path, name: PurePosixPath, max_bytes: int) -> Path:
    """The only file of an upload, or the folder that it was unpacked to; a file without a suffix gets the one
    of its content. Raises `Refusal` for what is no scan.
    """
    path = root / name
    own, seen = suffixes.suffix_of(path.name), upload.suffix_by_content(path)
    if seen == ".zip":
        _unpack(path, max_bytes)
        return _top(root)
    if not seen and own not in suffixes.DICOM:  # some of which have no preamble
        raise Refusal(415, f"{legible(path.name)} is no scan by its content; send {_KINDS}")
    return path if own else path.rename(path.with_name(f"{path.name}{seen}"))


def _is_archive(path: Path) -> bool:
    return path.suffix.lower() == ".zip" and upload.suffix_by_content(path) == ".zip"


def _unpack(path: Path, max_bytes: int) -> None:
    """Put what is in an archive in its place, in a folder of its name."""
    from stages.sources import archive  # with every format's decoder, and most uploads are no archives

    into = path.with_name(path.name + ".unpacked")
    into.mkdir()
    entries = archive.entries(path, lambda name: not archive.is_hidden(name), into)
    if len(entries) > upload.MAX_FILES or sum(e.file_size for e in entries.values()) > EXPANSION * max_bytes:
        raise Refusal(413, f"{legible(path.name)} unpacks to more than is taken at a time; send it in parts")
    for name in entries:
        upload.plain(str(name))
    archive.extract(path, entries, into)
    path.unlink()
    into.rename(path.with_suffix("") if not path.with_suffix("").exists() else into)


def _top(root: Path) -> Path:
    """What its sender would name: the only file or folder of an upload, else all of it."""
    inside = [path for path in root.iterdir() if not path.name.startswith(".")]
    return inside[0] if len(inside) == 1 else root
