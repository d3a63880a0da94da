"""Read a scan in the way of its kind; what a kind needs is imported when a scan of it comes."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stages.inference.spec import Input
from stages.predicting import channels
from stages.predicting.finding import Scan, suffix_of
from stages.scan.header import Header, Unreadable
from stages.scan.spacing import Spacing

if TYPE_CHECKING:
    from stages.formats.dicom import Series


@dataclass(frozen=True)
class Picture:
    """A scan as (S, H, W, C), with the model's channels; slices of volumes run from the feet up, rows from
    front to back, columns from right to left. `series` of DICOM has what writing its mask needs.
    """

    voxels: np.ndarray
    spacing_mm: Spacing | None
    series: "Series | None" = None


def read(scan: Scan, model_input: Input) -> Picture:
    """Read a scan. Raises `Unreadable` where it is damaged or lacks what the model takes."""
    return _READERS[scan.kind](scan, model_input)


def _flat(scan: Scan, model_input: Input) -> Picture:
    voxels, spacing, blended = _picture(scan.files[0])
    return Picture(channels.arranged(voxels, model_input, flat=True, blended=blended), spacing)


def _picture(path: Path) -> tuple[np.ndarray, Spacing | None, str]:
    """A picture (1, H, W, C), its spacing, and why three channels of it cannot be three sequences."""
    if suffix_of(path) in (".tif", ".tiff"):
        return *_tiff(path), ""
    from PIL import Image

    from stages.formats import raster

    voxels = raster.read(path)
    with Image.open(path, formats=("PNG", "JPEG")) as picture:
        if picture.format == "JPEG":
            return voxels, None, "a colour JPEG blends its colours"
        seen_through = "A" in picture.getbands() or "transparency" in picture.info
    return voxels, None, "a picture with transparency is no scan" if seen_through else ""


def _tiff(path: Path) -> tuple[np.ndarray, Spacing | None]:
    import tifffile

    from stages.formats import tiff

    header, voxels = tiff.read_header(path), tiff.read(path)
    with tifffile.TiffFile(path) as file:
        pages = len(file.pages)
    if pages > 1:
        raise Unreadable(f"it holds {pages} pages; save each slice as a file, or the volume as NIfTI")
    return voxels, header.spacing_mm


def _lgg(scan: Scan, model_input: Input) -> Picture:
    slices: list[np.ndarray] = []
    spacing = None
    for path in scan.files:
        voxels, spacing = _tiff(path)
        if slices and voxels.shape != slices[0].shape:
            raise Unreadable(f"{path.name} differs in size from the slices before it")
        slices.append(voxels)
        # Raises where the slices together would be too large.
        _, height, width, count = voxels.shape
        Header(height, width, count, slices=len(slices))
    return Picture(channels.arranged(np.concatenate(slices), model_input), spacing)


def _nifti(scan: Scan, model_input: Input) -> Picture:
    from stages.formats import nifti

    places = channels.pick(scan.roles, model_input)
    files = scan.files if places is None else tuple(scan.files[place] for place in places)
    header = nifti.read_header(files[0])
    Header(header.height, header.width, len(files), slices=header.slices)  # of all together
    volumes: list[np.ndarray] = []
    for path in files:
        volumes.append(nifti.read(path))
        if volumes[-1].shape != volumes[0].shape:
            raise Unreadable("its modalities differ in size")
    if len({volume.dtype for volume in volumes}) > 1:
        volumes = [volume.astype(np.float32) for volume in volumes]
    voxels = np.concatenate(volumes, axis=3) if len(volumes) > 1 else volumes[0]
    return Picture(channels.arranged(voxels, model_input, picked=places is not None), header.spacing_mm)


def _dicom(scan: Scan, model_input: Input) -> Picture:
    from stages.formats import dicom, orientation

    series = dicom.read(scan.files)
    voxels = channels.arranged(orientation.to_slices(series.voxels, series.affine), model_input)
    return Picture(voxels, orientation.spacing(series.affine), series)


_READERS = {"flat": _flat, "lgg": _lgg, "nifti": _nifti, "brats": _nifti, "dicom": _dicom}
