"""Read a DICOM series of single-frame MR slices, and trust nothing that its files say."""

import logging
import warnings
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np
import pydicom
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_dataset, read_preamble
from pydicom.uid import DeflatedExplicitVRLittleEndian

from stages.formats import orientation
from stages.formats.file import File, size
from stages.scan.header import MAX_SLICES, Header, Unreadable, first_words
from stages.scan.volume import Volume

# Odd values make pydicom warn, and no user can act on it; what matters of them is checked below.
logging.getLogger("pydicom").setLevel(logging.CRITICAL)

_MAX_BYTES = 512 << 20
"""Of one file: a slice of the largest size that is allowed, with room for what scanners add."""
_UNEVEN = 0.05
"""Share by which the distance of two slices may differ from the others': positions are rounded to 0.01 mm."""
_TILTED = 0.02
"""Share of a step between slices that may go sideways."""
_NEEDED = (
    "SOPInstanceUID",
    "StudyInstanceUID",
    "FrameOfReferenceUID",
    "ImageOrientationPatient",
    "ImagePositionPatient",
    "PixelSpacing",
)


_USED = (
    *_NEEDED,
    *("SeriesInstanceUID", "Modality", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation"),
    *("Rows", "Columns", "SliceThickness", "RescaleSlope", "RescaleIntercept"),
)


def decode(files: Sequence[File]) -> Volume:
    """The files of one series, in any order, as a volume of one channel. Raises `Unreadable`.

    The file's axes of its grid are columns, rows and slices; its header is the files' attributes without
    pixels, in the order of slices. Files are opened one by one: together they may be larger than memory.
    """
    if len(files) > MAX_SLICES:
        raise Unreadable(f"it holds {len(files)} files, more than the {MAX_SLICES} slices that are allowed")
    headers = [_read(file, pixels=False) for file in files]
    _one_series(headers)
    for file, header in zip(files, headers, strict=True):
        _acceptable(file, header)
    order, affine = _positions(headers)
    headers = [headers[place] for place in order]
    first = headers[0]
    Header(int(first.Rows), int(first.Columns), 1, slices=len(headers))  # raises where it is too large
    planes = [_plane(files[place], header) for place, header in zip(order, headers, strict=True)]
    voxels = np.stack([plane.T for plane in planes], axis=2)
    if first.PhotometricInterpretation == "MONOCHROME1":  # high is dark
        voxels = voxels.max() - voxels
    x, y, z = voxels.shape
    grid = orientation.grid((x, y, z), affine)
    return Volume(grid.to_slices(voxels), grid.spacing, grid, headers)


def _read(file: File, pixels: bool) -> pydicom.Dataset:
    """A file's attributes. Whatever wrong bytes lead pydicom to becomes `Unreadable`."""
    try:
        with file.open() as stream, warnings.catch_warnings(action="ignore"):  # odd but legible values
            if size(stream) > _MAX_BYTES:
                raise Unreadable(f"{file.name} is larger than the {_MAX_BYTES >> 20} MiB that are allowed")
            if _deflated(stream):  # which would be unpacked before anything can be checked
                raise Unreadable(f"{file.name} is deflated; save it uncompressed")
            stream.seek(0)
            data = pydicom.dcmread(stream, stop_before_pixels=not pixels, force=False)
            for name in _USED:  # interpreted when first asked for: what is wrong with them shows here
                data.get(name)
            return data
    except (Unreadable, MemoryError):
        raise
    except InvalidDicomError:
        reason = file.unfetched()
        raise Unreadable(f"{file.name}: {reason}" if reason else f"{file.name} is no DICOM file") from None
    except Exception as error:
        raise Unreadable(f"{file.name} is not a readable DICOM file ({first_words(error)})") from None


def _deflated(stream: BinaryIO) -> bool:
    """Whether the group of attributes before all others, which nothing may compress, says so."""
    read_preamble(stream, force=False)
    about = read_dataset(
        stream, is_implicit_VR=False, is_little_endian=True, stop_when=lambda tag, *_: tag >> 16 != 2
    )
    return about.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian


def _one_series(headers: list[pydicom.Dataset]) -> None:
    series = {str(header.get("SeriesInstanceUID")) for header in headers}
    if len(series) > 1:
        raise Unreadable(f"it mixes {len(series)} series; give each a folder of its own")


def _acceptable(file: File, header: pydicom.Dataset) -> None:
    kind = header.get("Modality")
    if kind != "MR":
        raise Unreadable(f"{file.name} is of modality {kind or 'unknown'}, the model takes MR")
    if header.get("NumberOfFrames") not in (None, "", 1):
        raise Unreadable(f"{file.name} holds several frames; convert the series to single frames or to NIfTI")
    if header.get("SamplesPerPixel") != 1 or header.get("PhotometricInterpretation") not in (
        "MONOCHROME1",
        "MONOCHROME2",
    ):
        raise Unreadable(f"{file.name} is in colours; a sequence as the scanner made it is needed")
    missing = [name for name in (*_NEEDED, "Rows", "Columns") if not header.get(name)]
    if missing:
        raise Unreadable(f"{file.name} does not tell its {missing[0]}")


def _positions(headers: list[pydicom.Dataset]) -> tuple[list[int], np.ndarray]:
    """The order of the slices along their normal, and the affine of the volume (RAS)."""
    first = headers[0]
    directions, at = _numbers(first, "ImageOrientationPatient", 6), []
    row, column = directions[:3], directions[3:]
    unit = [float(row @ row), float(column @ column), float(row @ column) + 1]
    if not np.allclose(unit, 1, atol=1e-2):
        raise Unreadable("its files do not say how the head lies")
    spacing = _numbers(first, "PixelSpacing", 2)
    for header in headers:
        same = (header.Rows, header.Columns) == (first.Rows, first.Columns)
        turned = np.abs(_numbers(header, "ImageOrientationPatient", 6) - directions).max() > 1e-3
        if not same or turned or not np.allclose(_numbers(header, "PixelSpacing", 2), spacing, rtol=1e-3):
            raise Unreadable("its slices differ in size, spacing or orientation")
        at.append(_numbers(header, "ImagePositionPatient", 3))
    normal = np.cross(row, column)
    heights = np.array([position @ normal for position in at])
    order = [int(place) for place in np.argsort(heights, kind="stable")]
    step = _step(np.array(at)[order], heights[order], normal, first)
    affine = np.eye(4)
    affine[:3] = np.column_stack([row * spacing[1], column * spacing[0], step, at[order[0]]])
    mm = np.linalg.norm(affine[:3, :3], axis=0)
    if not ((mm >= 0.01) & (mm <= 100)).all():
        raise Unreadable("its files do not tell a spacing that a scan can have")
    return order, np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine  # DICOM counts to the left and to the back


def _step(at: np.ndarray, heights: np.ndarray, normal: np.ndarray, first: pydicom.Dataset) -> np.ndarray:
    """From one slice to the next, in mm. Raises `Unreadable` where they do not make an even stack."""
    if len(at) == 1:
        return normal * float(first.get("SliceThickness") or 1.0)
    apart = np.diff(heights)
    if apart.min() < 0.01:
        raise Unreadable("two of its slices lie at the same place; give each volume a folder of its own")
    if np.abs(apart - np.median(apart)).max() > _UNEVEN * np.median(apart):
        raise Unreadable(
            f"its slices are {apart.min():.2f} to {apart.max():.2f} mm apart, so one seems to be missing"
        )
    step = (at[-1] - at[0]) / (len(at) - 1)
    if np.linalg.norm(step - (step @ normal) * normal) > _TILTED * np.linalg.norm(step):
        raise Unreadable("its slices are shifted against each other, as by a tilted gantry")
    return step


def _numbers(header: pydicom.Dataset, name: str, count: int) -> np.ndarray:
    try:
        values = np.array([float(value) for value in header[name].value])
    except (TypeError, ValueError, KeyError):
        values = np.empty(0)
    if len(values) != count or not np.isfinite(values).all():
        raise Unreadable(f"its {name} is damaged")
    return values


def _plane(file: File, header: pydicom.Dataset) -> np.ndarray:
    """The pixels (rows, columns) of a file in the scanner's numbers, or in those of its rescaling."""
    whole: Any = _read(file, pixels=True)
    try:
        with warnings.catch_warnings(action="ignore"):
            pixels = whole.pixel_array
        slope, intercept = (float(header.get(f"Rescale{name}", plain)) for name, plain in _PLAIN)
    except MemoryError:
        raise
    except Exception as error:  # a decoder that is missing, or pixels that do not fit
        raise Unreadable(f"the pixels of {file.name} cannot be decoded ({first_words(error)})") from None
    if pixels.shape != (header.Rows, header.Columns):
        raise Unreadable(f"the pixels of {file.name} do not fit its header")
    if (slope, intercept) == (1.0, 0.0):
        return pixels
    return (pixels * slope + intercept).astype(np.float32)


_PLAIN = (("Slope", 1.0), ("Intercept", 0.0))
