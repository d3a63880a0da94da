"""Decode NIfTI volumes, plain or gzipped, and turn them as DICOM does, however the file keeps them. What
follows the three axes of space are channels.

nibabel interprets the header; the voxels are read here, piece by piece, because its readers allocate what a
forged header asks for and hold a gzipped volume twice. One of 240x240x155 takes about 60 ms.
"""

import gzip
import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import nibabel as nib
import numpy as np
from nibabel import nifti1

from stages.formats import file, orientation, outside
from stages.scan.header import MAX_CHANNELS, Header, Unreadable, first_words
from stages.scan.spacing import Spacing
from stages.scan.volume import Grid, Volume

# What nibabel corrects in a header ("pixdim[1,2,3] should be positive") it prints too; no user can act on it.
logging.getLogger("nibabel.global").setLevel(logging.CRITICAL)

_MM = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
"""Millimetres in a unit of length by its code: unknown (in practice mm), metre, millimetre, micron."""
_MAX_OFFSET = 64 << 20
"""Bytes before the first voxel; header extensions are text of some kB."""
_MAX_DEFLATE = 1032
"""Times that DEFLATE can shrink anything at most (zlib's technical notes)."""
_PIECE = 1 << 18
"""Voxels read at a time: so few that they stay in the cache."""
_ROUNDED = 1e-3
"""Share by which a spacing may differ through rounding."""
_UNPLACED = (
    "neither its sform nor its qform is set, so how the head lies is a guess: its axes are taken to run to "
    "the patient's left, to the front and up"
)


@dataclass(frozen=True)
class Layout:
    """What a header says. `header` is of the turned volume, `grid` of the file's axes of space; `block`: the
    header's bytes; remarks: as of a `Volume`. The rest is how the voxels are stored.
    """

    header: Header
    grid: Grid
    block: bytes
    dtype: np.dtype
    scaling: tuple[float, float] | None  # slope and intercept where the numbers need them
    offset: int
    remarks: tuple[str, ...]


def read_layout(stream: BinaryIO) -> Layout:
    """What the header says, without decoding voxels. Raises `Unreadable`."""
    with _unpacked(stream) as (_, block):
        return _layout(block)


def read_header(stream: BinaryIO) -> Header:
    """Size of an axial slice, number of slices and spacing (slice, row, column). Raises `Unreadable`."""
    return read_layout(stream).header


def decode(stream: BinaryIO) -> Volume:
    """A volume (S, H, W, C), of one channel where the file has three axes. Integers keep their dtype; what is
    scaled, or float64, becomes float32; NaN outside the head is background. The voxels are a view whose
    strides may be negative. Raises `Unreadable`.
    """
    return outside.filled(_decode(stream))


def decode_mask(stream: BinaryIO) -> Volume:
    """The same, but NaN outside is no label."""
    return outside.filled(_decode(stream), 0)


def write(voxels: np.ndarray, grid: Grid, path: Path) -> None:
    """Write slices (S, H, W, C) along the axes of `grid`, of one channel with three axes.

    Integers and float32 are read back bit for bit; float16, which the format does not have, becomes float32.
    """
    kept = voxels.astype(np.float32) if voxels.dtype == np.float16 else voxels
    channels = [grid.from_slices(kept[..., channel]) for channel in range(kept.shape[3])]
    stored = np.stack(channels, axis=3) if len(channels) > 1 else channels[0]
    image = nib.Nifti1Image(stored, grid.affine, dtype=stored.dtype)
    image.header.set_xyzt_units("mm")
    image.to_filename(path)


def _decode(stream: BinaryIO) -> Volume:
    with _unpacked(stream) as (unpacked, block):
        layout = _layout(block)
        room = file.size(stream) * (_MAX_DEFLATE if isinstance(unpacked, gzip.GzipFile) else 1)
        voxels = _voxels(unpacked, layout, room)
    slices = layout.grid.to_slices(voxels)
    return Volume(slices, layout.header.spacing_mm, layout.grid, layout.block, layout.remarks)


@contextmanager
def _unpacked(stream: BinaryIO) -> Iterator[tuple[BinaryIO | gzip.GzipFile, bytes]]:
    """The unpacked content and its first bytes, which hold the header. The content itself says whether it is
    gzipped. Whatever wrong bytes lead to, inside the block as well, becomes `Unreadable`.
    """
    try:
        # Absurd numbers overflow on the way to being refused, and voxels beyond float32 become infinite.
        with np.errstate(all="ignore"):
            packed = stream.read(2) == b"\x1f\x8b"
            stream.seek(0)
            with gzip.GzipFile(fileobj=stream) if packed else nullcontext(stream) as unpacked:
                yield unpacked, unpacked.read(nib.Nifti2Header.sizeof_hdr)
    except (Unreadable, MemoryError):
        raise
    except EOFError:
        raise Unreadable("it is cut short") from None
    except Exception as error:  # nibabel and numpy raise whatever the damaged numbers lead them to
        if isinstance(error, OSError) and error.strerror:
            raise Unreadable(error.strerror) from None
        raise Unreadable(f"it is not a readable NIfTI file ({first_words(error)})") from None


def _layout(block: bytes) -> Layout:
    kind = nib.Nifti2Header if nib.Nifti2Header.may_contain_header(block) else nib.Nifti1Header
    if len(block) < kind.sizeof_hdr:
        raise Unreadable("it is cut short")
    head = kind(block[: kind.sizeof_hdr])
    if head["magic"].item() != head.single_magic:
        raise Unreadable("its voxels are in another file; save it as one .nii or .nii.gz")
    shape, channels = _shape(head)
    dtype = head.get_data_dtype()
    if dtype.kind not in "iuf":
        kind_of = nifti1.data_type_codes.label[int(head["datatype"])]
        raise Unreadable(f"its voxels are of kind {kind_of}; save it as integers or float32")
    offset = head.get_data_offset()
    if not head.single_vox_offset <= offset <= _MAX_OFFSET:
        raise Unreadable(f"its header says that the voxels begin at byte {offset}")
    affines = _affines(head)
    if not affines:
        raise Unreadable("its header does not say how the head lies")
    grid = orientation.grid(shape, affines[0][1])
    up, down, across = grid.axes
    spacing = _spacing(head, grid)
    header = Header(shape[down], shape[across], channels, spacing, slices=shape[up])
    slope, inter = head.get_slope_inter()
    scaling = None if slope is None or (slope, inter) == (1, 0) else (slope, inter)
    return Layout(header, grid, block, dtype, scaling, offset, _remarks(head, grid, affines))


def _shape(head: nib.Nifti1Header) -> tuple[tuple[int, int, int], int]:
    """Voxels along the file's three axes of space, where a plane is a volume of one slice; and how many
    volumes there are: sequences as the Decathlon keeps them, or points in time.
    """
    shape = [int(size) for size in head.get_data_shape()]
    if len(shape) < 2:
        raise Unreadable("it holds no picture")
    x, y, z = (*shape, 1)[:3]
    volumes = math.prod(shape[3:])
    if volumes > MAX_CHANNELS:
        raise Unreadable(f"it is a series of {volumes} volumes, more than the {MAX_CHANNELS} that are read")
    return (x, y, z), volumes


def _affines(head: nib.Nifti1Header) -> list[tuple[str, np.ndarray]]:
    """What places the file's axes in mm right, front, up, by name, the one that counts first: the sform and
    the qform where their codes are not 0 and their numbers place anything, and where both codes are 0 what
    nibabel takes an Analyze file to mean.
    """
    forms = [("sform", head.get_sform())] if head["sform_code"] > 0 else []
    forms += [("qform", head.get_qform())] if head["qform_code"] > 0 else []
    mm = np.diag([*[_MM.get(_unit(head), 1.0)] * 3, 1.0])
    return [(name, mm @ form) for name, form in forms or [("", head.get_base_affine())] if _places(form)]


def _places(affine: np.ndarray) -> bool:
    axes = affine[:3, :3]
    lengths = np.linalg.norm(axes, axis=0)
    # nibabel guesses directions for axes that lie in one plane; which side is left must not be a guess.
    sound = np.isfinite(affine).all() and lengths.all() and np.linalg.matrix_rank(axes / lengths) == 3
    return bool(sound)


def _remarks(head: nib.Nifti1Header, grid: Grid, affines: list[tuple[str, np.ndarray]]) -> tuple[str, ...]:
    (name, _), *others = affines
    if not name:
        return (_UNPLACED,)
    if name == "qform" and head["sform_code"] > 0:
        return ("its sform places nothing, so its qform counts",)
    for other, there in others:
        if (mm := grid.away(replace(grid, affine=there))) > grid.tolerance:
            return (f"its {name} and its {other} place it {mm:.3g} mm apart; the {name} counts",)
    if not np.isclose(_noted(head, grid), grid.spacing, rtol=_ROUNDED, atol=0).all():
        sizes = [" x ".join(f"{mm:.3g}" for mm in spacing) for spacing in (_noted(head, grid), grid.spacing)]
        return (
            f"between slices, rows and columns its pixdim has {sizes[0]} mm and its {name} {sizes[1]} mm; "
            f"the {name} counts",
        )
    return ()


def _unit(head: nib.Nifti1Header) -> int:
    return int(head["xyzt_units"]) & 7


def _noted(head: nib.Nifti1Header, grid: Grid) -> Spacing:
    """As pixdim has it, which nothing reads where the sform counts."""
    mm = _MM.get(_unit(head), 1.0)
    return Spacing(*(float(head["pixdim"][1 + axis]) * mm for axis in grid.axes))


def _spacing(head: nib.Nifti1Header, grid: Grid) -> Spacing | None:
    """By the affine, which places the voxels; where pixdim agrees it has the number as somebody wrote it."""
    if _unit(head) not in _MM:
        return None
    pairs = zip(_noted(head, grid), grid.spacing, strict=True)
    spacing = Spacing(*(noted if math.isclose(noted, mm, rel_tol=_ROUNDED) else mm for noted, mm in pairs))
    return spacing if all(0.01 <= mm <= 100 for mm in spacing) else None


def _voxels(stream: BinaryIO | gzip.GzipFile, layout: Layout, room: int) -> np.ndarray:
    """The numbers along the file's own axes. `room`: more bytes than these cannot be in the file."""
    count, dtype = math.prod(layout.grid.shape) * layout.header.channels, layout.dtype
    if layout.offset + count * dtype.itemsize > room:
        raise Unreadable("it is cut short")
    real = layout.scaling or dtype.kind == "f"
    voxels = np.empty(count, np.float32 if real else dtype.newbyteorder("="))
    stream.seek(layout.offset)
    for start in range(0, count, _PIECE):
        piece = voxels[start : start + _PIECE]
        packed = stream.read(piece.size * dtype.itemsize)
        if len(packed) < piece.size * dtype.itemsize:
            raise Unreadable("it is cut short")
        stored = np.frombuffer(packed, dtype)
        piece[:] = stored * layout.scaling[0] + layout.scaling[1] if layout.scaling else stored
    stream.read(1)  # past the last byte gzip compares its checksum
    return voxels.reshape(*layout.grid.shape, layout.header.channels, order="F")
