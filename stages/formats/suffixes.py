"""Suffixes of file names by format, in lower case: the one list, free of the decoders' imports."""

TIFF = (".tif", ".tiff")
RASTER = (".png", ".jpg", ".jpeg")
NIFTI = (".nii.gz", ".nii")
DICOM = (".dcm", ".ima")


def suffix_of(name: str, suffixes: tuple[str, ...] = TIFF + RASTER + NIFTI + DICOM) -> str:
    """The one of `suffixes` that a file name ends in, in any case of its letters; "" for none of them."""
    low = name.lower()
    return next((suffix for suffix in suffixes if low.endswith(suffix)), "")


def stem(name: str) -> str:
    """A file name without the suffix of its format."""
    return name[: len(name) - len(suffix_of(name))]
