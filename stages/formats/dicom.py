"""Read a DICOM series of single-frame MR slices, and trust nothing that its files say."""

from collections.abc import Sequence

import numpy as np
import pydicom

from stages.formats import dicom_file, dicom_header, dicom_pixels, orientation
from stages.formats.dicom_pixels import Slice
from stages.formats.dicom_positions import TOGETHER_MM, Places
from stages.formats.file import File
from stages.scan.header import MAX_SLICES, Header, Unreadable
from stages.scan.volume import Volume

_APART = (
    *("EchoTime", "EchoNumbers", "InversionTime", "DiffusionBValue", "TemporalPositionIdentifier"),
    *("RepetitionTime", "FlipAngle", "TriggerTime", "AcquisitionNumber", "ImageType", "AcquisitionTime"),
)
"""Attributes in which the volumes of one series differ, those that people know them by first."""


def decode(files: Sequence[File]) -> Volume:
    """The files of one series, in any order, as a volume of one channel. Raises `Unreadable`.

    The file's axes of its grid are columns, rows and slices; its header is the files' attributes without
    pixels, in the order of slices. Files are opened one by one: together they may be larger than memory.
    """
    if len(files) > MAX_SLICES:
        raise Unreadable(f"it holds {len(files)} files, more than the {MAX_SLICES} slices that are allowed")
    slices = [(file, dicom_file.read(file, pixels=False)) for file in files]
    headers = [header for _, header in slices]
    _one_series(headers)
    remarks = [remark for file, header in slices for remark in dicom_header.completed(file, header)]
    places = Places.of(headers)
    rows, columns = int(headers[0].Rows), int(headers[0].Columns)
    Header(rows, columns, 1)  # raises where it is too large, as below
    kept = _once(slices, places)
    if twice := len(slices) - len(kept):
        count = "repeats another and is" if twice == 1 else "repeat others and are"
        remarks.append(f"{twice} of its {len(slices)} files {count} counted once")
        slices, places = [slices[place] for place in kept], places.of_only(kept)
    frames = {str(header.get("FrameOfReferenceUID")) for header in headers}
    if len(frames) > 1:
        remarks.append(f"its files name {len(frames)} frames of reference, positions are taken as of one")
    affine = places.affine()
    slices = [slices[place] for place in places.order]
    Header(rows, columns, 1, slices=len(slices))
    voxels, more = dicom_pixels.block(slices)
    x, y, z = voxels.shape
    grid = orientation.grid((x, y, z), affine)
    remarks += places.remarks() + more
    return Volume(
        grid.to_slices(voxels),
        grid.spacing,
        grid,
        [header for _, header in slices],
        tuple(dict.fromkeys(remarks)),
    )


def _one_series(headers: list[pydicom.Dataset]) -> None:
    series = {str(header.get("SeriesInstanceUID")) for header in headers}
    if len(series) > 1:
        raise Unreadable(f"it mixes {len(series)} series; give each a folder of its own")


def _once(slices: list[Slice], places: Places) -> list[int]:
    """Which files count: of those at one place with the same pixels the first. Raises `Unreadable` where
    pixels at one place differ.
    """
    again: set[int] = set()
    for first, *others in places.crowds():
        pixels, _ = dicom_pixels.plane(slices[first])
        for other in others:
            same = np.abs(places.at[first] - places.at[other]).max() < TOGETHER_MM
            if not same or not np.array_equal(dicom_pixels.plane(slices[other])[0], pixels):
                about = _difference(slices[first][1], slices[other][1])
                raise Unreadable(
                    f"two of its slices lie at the same place{about}; give each volume a folder of its own"
                )
            again.add(other)
    return [place for place in range(len(slices)) if place not in again]


def _difference(one: pydicom.Dataset, other: pydicom.Dataset) -> str:
    """By what two slices at one place are told apart, in parentheses, if by anything."""
    for name in _APART:
        values = []
        for header in (one, other):
            try:
                values.append(str(header.get(name, "none")))
            except Exception:  # whatever a damaged value leads pydicom to
                values.append("none")
        if values[0] != values[1]:
            return f" (their {name} is {values[0]:.40} and {values[1]:.40})"
    return ""
