"""Write masks in a scan's own geometry and format, all files of a scan or none."""

import gzip
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from stages.core.errors import UserError
from stages.inference.spec import Spec
from stages.predicting.finding import Scan, stem, suffix_of
from stages.predicting.reading import Picture

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
def together(out: Path) -> Iterator[Path]:
    """A temporary folder whose files and folders go into `out` when the block ends well, else nowhere."""
    part = Path(tempfile.mkdtemp(prefix=".part-", dir=out))
    try:
        yield part
        for made in sorted(part.iterdir()):
            target = out / made.name
            if target.is_dir() and not target.is_symlink():
                shutil.rmtree(target)
            made.replace(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def write(labels: np.ndarray, scan: Scan, picture: Picture, spec: Spec, out: Path) -> list[str]:
    """Write labels (S, H, W) into the folder `out`; returns the names of the files, of an LGG case of their
    folder.

    A picture of one class is 0 and 255, everything else holds the numbers of the classes.
    """
    if scan.kind in ("nifti", "brats"):
        end = ".nii" if suffix_of(scan.files[0]) == ".nii" else ".nii.gz"
        name = f"{scan.name}_mask{end}"
        _like(labels, scan.files[0], out / name)
        return [name]
    if scan.kind == "dicom":
        assert picture.series is not None
        return _dicom(labels, scan, picture, spec, out)
    painted = labels * np.uint8(_YES) if len(spec.output.classes) == 1 else labels
    if scan.kind == "lgg":
        (out / f"{scan.name}_mask").mkdir()
        for path, mask in zip(scan.files, painted, strict=True):
            _picture(mask, out / f"{scan.name}_mask" / f"{stem(path)}_mask.tif")
        return [f"{scan.name}_mask"]
    end = ".tif" if suffix_of(scan.files[0]) in (".tif", ".tiff") else ".png"
    _picture(painted[0], out / f"{scan.name}_mask{end}")
    return [f"{scan.name}_mask{end}"]


def _picture(mask: np.ndarray, path: Path) -> None:
    if path.suffix == ".png":
        from PIL import Image

        Image.fromarray(mask).save(path)
    else:
        import tifffile

        tifffile.imwrite(path, mask, photometric="minisblack", compression="zlib")


def _like(labels: np.ndarray, source: Path, path: Path) -> None:
    """A NIfTI file with the header of `source`, but for what concerns its numbers. Texts and extensions, in
    which converters put what they know of the patient, are left out.
    """
    import nibabel as nib

    from stages.formats import orientation

    with source.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    with gzip.open(source) if packed else source.open("rb") as stream:
        block = stream.read(nib.Nifti2Header.sizeof_hdr)
    newer = nib.Nifti2Header.may_contain_header(block)
    kind, image = (nib.Nifti2Header, nib.Nifti2Image) if newer else (nib.Nifti1Header, nib.Nifti1Image)
    header = kind(block[: kind.sizeof_hdr])
    shape = header.get_data_shape()
    affine = header.get_best_affine()
    header.set_data_dtype(np.uint8)
    header["cal_max"] = header["cal_min"] = 0
    header["descrip"] = b"brainseg mask"
    for name in ("aux_file", "db_name"):
        if name in header:
            header[name] = b""
    image(orientation.from_slices(labels, affine).reshape(shape), None, header).to_filename(path)


def _dicom(labels: np.ndarray, scan: Scan, picture: Picture, spec: Spec, out: Path) -> list[str]:
    import nibabel as nib

    from stages.formats import dicom_seg, orientation

    series = picture.series
    assert series is not None
    voxels = orientation.from_slices(labels, series.affine)
    names = [f"{scan.name}_mask.nii.gz", f"{scan.name}_mask.dcm"]
    nib.Nifti1Image(voxels, series.affine, dtype=np.uint8).to_filename(out / names[0])
    dicom_seg.write(voxels.transpose(2, 1, 0), series, spec.output.classes, spec.model_hash, out / names[1])
    return names
