"""Write masks in a scan's own geometry and format, all files of a scan or none."""

import math
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from stages.core.errors import UserError
from stages.formats import suffixes
from stages.formats.suffixes import stem, suffix_of
from stages.inference.spec import Spec
from stages.predicting.scan import Scan, writable
from stages.scan.header import Unreadable
from stages.scan.volume import Volume

SUMMARY = ("summary.json", "summary.csv")
_YES = 255
"""A mask of one class in a picture: seen in any viewer, and what LGG's masks have."""


def prepare(out: Path, overwrite: bool) -> None:
    """Make the folder. Raises `UserError` where it cannot be written, or holds files without `overwrite`."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        kept = next(out.iterdir(), None)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise UserError(
            f"{out} cannot be written ({error.strerror}); name another folder with --out"
        ) from None
    if kept and not overwrite:
        raise UserError(f"{out} is not empty; name a new folder with --out, or add --overwrite")


@contextmanager
def together(out: Path, below: str = "") -> Iterator[Path]:
    """A temporary folder whose files and folders go into `out`, or the folder `below` it, when the block ends
    well, else nowhere.
    """
    part = Path(tempfile.mkdtemp(prefix=".part-", dir=out))
    try:
        yield part
        home = out / below
        home.mkdir(parents=True, exist_ok=True)
        for made in sorted(part.iterdir()):
            target = home / made.name
            if target.is_dir() and not target.is_symlink():
                shutil.rmtree(target)
            made.replace(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def write(
    labels: np.ndarray, scan: Scan, volume: Volume, spec: Spec, out: Path, *, corrected: bool = False
) -> tuple[list[str], list[str]]:
    """Write labels (S, H, W) into the folder `out`; returns the names of the files, of an LGG case of their
    folder, and remarks on what they lack. volume: as `reading.read` gives it; the scan's files are not opened
    again.

    A picture of one class is 0 and 255, everything else holds the numbers of the classes. corrected: by a
    person, which DICOM says.
    """
    if scan.kind == "dicom":
        return _dicom(labels, volume, spec, out / f"{scan.name}_mask.nii.gz", corrected)
    return [_as_the_scan(labels, scan, volume, spec, out, "mask")], []


def write_outer(labels: np.ndarray, scan: Scan, volume: Volume, spec: Spec, out: Path) -> str:
    """Write labels (S, H, W) of an outer mask as a mask is written, with `_outer` in its name; returns that.

    Of a DICOM series it is the NIfTI file alone: other programs would take a segmentation for the tumour.
    """
    if scan.kind != "dicom":
        return _as_the_scan(labels, scan, volume, spec, out, "outer")
    name = f"{scan.name}_outer.nii.gz"
    _on_grid(labels, volume, out / name)
    return name


def _as_the_scan(labels: np.ndarray, scan: Scan, volume: Volume, spec: Spec, out: Path, word: str) -> str:
    """Write labels in the format of a scan that is no DICOM series; `word` ends the name."""
    end = suffix_of(scan.files[0].name)
    if scan.kind in ("nifti", "brats"):
        name = f"{scan.name}_{word}{'.nii' if end == '.nii' else '.nii.gz'}"
        _nifti(labels, volume, out / name)
        return name
    painted = labels * np.uint8(_YES) if len(spec.output.classes) == 1 else labels
    if scan.kind == "lgg":
        folder = out / f"{scan.name}_{word}"
        folder.mkdir()
        for file, mask in zip(scan.files, painted, strict=True):
            _picture(mask, folder / f"{writable(stem(file.name))}_{word}.tif")
        return folder.name
    name = f"{scan.name}_{word}{'.tif' if end in suffixes.TIFF else '.png'}"
    _picture(painted if len(painted) > 1 else painted[0], out / name)
    return name


def _picture(mask: np.ndarray, path: Path) -> None:
    """A mask (H, W), or as a TIFF with a page a slice (S, H, W)."""
    if path.suffix == ".png":
        from PIL import Image

        Image.fromarray(mask).save(path)
    else:
        import tifffile

        tifffile.imwrite(path, mask, photometric="minisblack", compression="zlib")


def _nifti(labels: np.ndarray, volume: Volume, path: Path) -> None:
    """A NIfTI file with the header of the scan's, but for what concerns its numbers. Texts and extensions, in
    which converters put what they know of the patient, are left out.
    """
    import nibabel as nib

    block, grid = volume.header, volume.grid
    assert grid is not None
    newer = nib.Nifti2Header.may_contain_header(block)
    kind, image = (nib.Nifti2Header, nib.Nifti2Image) if newer else (nib.Nifti1Header, nib.Nifti1Image)
    header = kind(block[: kind.sizeof_hdr])
    shape = header.get_data_shape()
    if math.prod(shape[3:]) > 1:  # the sequences of a scan have one mask
        shape = shape[:3]
    header.set_data_dtype(np.uint8)
    header["cal_max"] = header["cal_min"] = 0
    header["descrip"] = b"brainseg mask"
    for name in ("aux_file", "db_name"):
        if name in header:
            header[name] = b""
    image(grid.from_slices(labels).reshape(shape), None, header).to_filename(path)


def _dicom(
    labels: np.ndarray, volume: Volume, spec: Spec, path: Path, corrected: bool
) -> tuple[list[str], list[str]]:
    """Both as NIfTI and, where the series has what that takes, as DICOM segmentation."""
    from stages.formats import dicom_seg

    voxels = _on_grid(labels, volume, path)
    segmentation = path.with_name(f"{stem(path.name)}.dcm")
    ordered, drawn = voxels.transpose(2, 1, 0), dicom_seg.Drawn(spec.model_hash, corrected)
    try:
        remarks = dicom_seg.write(ordered, volume.header, spec.output.classes, drawn, segmentation)
    except Unreadable as error:
        return [path.name], [f"no DICOM segmentation was written: {error}"]
    return [path.name, segmentation.name], remarks


def _on_grid(labels: np.ndarray, volume: Volume, path: Path) -> np.ndarray:
    """Write labels of a DICOM series as NIfTI; returns its voxels (columns, rows, slices)."""
    import nibabel as nib

    grid = volume.grid
    assert grid is not None
    voxels = grid.from_slices(labels)
    nib.Nifti1Image(voxels, grid.affine, dtype=np.uint8).to_filename(path)
    return voxels
