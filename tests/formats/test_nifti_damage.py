"""Whatever bytes a NIfTI file holds, it reads as its header says or is refused with a reason."""

import gzip
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.scan.header import Header, Unreadable
from tests.fixtures import strict, volumes
from tests.fixtures.decoded import nifti_header, nifti_voxels
from tests.fixtures.volumes import numbered

pytestmark = strict.WARNINGS
CUT = "it is cut short"
NO_SIDE = "its header does not say how the head lies"


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """An intact file of 2 slices with 3 rows of 4 columns."""
    return volumes.save(tmp_path / "scan.nii", numbered())


@pytest.fixture(scope="module")
def flair(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real BraTS volume."""
    name = "train/brats_2013_pat0006_1/Flair_subtrMeanDivStd.nii.gz"
    with zipfile.ZipFile(shared_data / "brats2015.zip") as archive:
        return Path(archive.extract(name, tmp_path_factory.mktemp("brats")))


Read = TypeVar("Read")


def outcome(reader: Callable[[Path], Read], path: Path) -> Read | str:
    """What a reader returns, or the reason why it refuses the file."""
    try:
        return reader(path)
    except Unreadable as refused:
        return str(refused)


def refusal(path: Path) -> str:
    """Why `read` refuses a file; `read_header` must not fail in another way."""
    reason, told = outcome(nifti_voxels, path), outcome(nifti_header, path)
    assert isinstance(reason, str)
    assert isinstance(told, Header) or told == reason
    return reason


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"dim": (4, 4, 3, 2, 65, 1, 1, 1)}, "it is a series of 65 volumes, more than the 64 that are read"),
        ({"dim": (0, 0, 0, 0, 0, 0, 0, 0)}, "it holds no picture"),
        ({"dim": (3, 4, -3, 2, 1, 1, 1, 1)}, "its header says 4x-3 pixels with 1 channels"),
        ({"dim": (3, 400, 300, 200, 1, 1, 1, 1)}, CUT),
        (
            {"dim": (3, 32767, 32767, 32767, 1, 1, 1, 1)},
            "its header says 32767x32767 pixels, more than the 67108864 that are allowed",
        ),
        (
            {"dim": (3, 512, 512, 513, 1, 1, 1, 1)},
            "its header says 512x512 pixels in 513 slices, more than the 134217728 voxels allowed",
        ),
        ({"datatype": 128}, "its voxels are of kind RGB; save it as integers or float32"),
        ({"datatype": 32}, "its voxels are of kind complex64; save it as integers or float32"),
        ({"datatype": 1234}, "it is not a readable NIfTI file (data code 1234 not recognized)"),
        ({"vox_offset": -352.0}, "vox offset -352 too low"),
        ({"vox_offset": 0.0}, "its header says that the voxels begin at byte 0"),
        ({"vox_offset": 1e30}, "its header says that the voxels begin at byte 1000000015047466"),
        ({"vox_offset": 1e6}, CUT),
        ({"vox_offset": np.nan}, "it is not a readable NIfTI file"),
        ({"vox_offset": np.inf}, "it is not a readable NIfTI file"),
        ({"scl_slope": 2.0, "scl_inter": np.nan}, "it is not a readable NIfTI file"),
        ({"magic": b"ni1\0"}, "its voxels are in another file; save it as one .nii or .nii.gz"),
        ({"magic": b"\0\0\0\0"}, "it is not a readable NIfTI file (magic string '' is not valid)"),
        ({"srow_x": (0.0, 0.0, 0.0, 0.0)}, NO_SIDE),
        ({"srow_x": (np.nan, 0.0, 0.0, 0.0)}, NO_SIDE),
        ({"srow_z": (0.0, 0.0, np.inf, 0.0)}, NO_SIDE),
        ({"srow_x": (1.0, 1.0, 0.0, 0.0), "srow_y": (1.0, 1.0, 0.0, 0.0)}, NO_SIDE),
    ],
)
def test_headers_that_are_refused(plain: Path, fields: dict[str, object], reason: str) -> None:
    assert reason in refusal(volumes.forge(plain, **fields))


def test_files_that_are_none(tmp_path: Path, plain: Path) -> None:
    content, packed = plain.read_bytes(), gzip.compress(plain.read_bytes())
    for name, wrong, reason in [
        ("empty.nii", b"", CUT),
        ("start.nii", content[:300], CUT),
        ("header.nii", content[:352], CUT),
        ("last.nii", content[:-1], CUT),
        ("start.nii.gz", packed[:15], CUT),
        ("last.nii.gz", packed[:-9], CUT),
        ("less.nii.gz", gzip.compress(content[:-1]), CUT),
        ("one.nii.gz", gzip.compress(content[:354]), CUT),
        ("text.nii", b"no scan, " * 100, "it is not a readable NIfTI file"),
        ("garbage.nii.gz", b"\x1f\x8b" + b"no scan, " * 100, "it is not a readable NIfTI file"),
    ]:
        (tmp_path / name).write_bytes(wrong)
        assert reason in refusal(tmp_path / name), name
        assert name not in refusal(tmp_path / name)
    assert refusal(tmp_path / "absent.nii") == "No such file or directory"
    assert refusal(tmp_path) == "Is a directory"


@pytest.mark.parametrize("columns", [4, 501, 1000])  # with 501 the buffer of 8 KB ends where the file does
def test_a_wrong_checksum(tmp_path: Path, columns: int) -> None:
    path = volumes.save(tmp_path / "scan.nii.gz", np.zeros((2, 8, columns), np.int16))
    content = bytearray(path.read_bytes())
    content[-6] ^= 1
    path.write_bytes(content)
    assert "CRC check failed" in refusal(path)


def peak_bytes(path: Path) -> int:
    tracemalloc.start()
    outcome(nifti_voxels, path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_claims_alone_take_no_memory(tmp_path: Path, plain: Path) -> None:
    """A header may ask for the GiB that is allowed, and a few KB of gzip unpack to MBs nobody asked for."""
    volumes.forge(plain, dim=(3, 512, 512, 512, 1, 1, 1, 1), datatype=1024)
    (tmp_path / "claim.nii.gz").write_bytes(gzip.compress(plain.read_bytes()))
    assert refusal(plain) == refusal(tmp_path / "claim.nii.gz") == CUT
    assert peak_bytes(plain) < 1 << 20
    assert peak_bytes(tmp_path / "claim.nii.gz") < 1 << 20
    volumes.forge(plain, dim=(3, 4, 3, 2, 1, 1, 1, 1), datatype=4)
    (tmp_path / "bomb.nii.gz").write_bytes(gzip.compress(plain.read_bytes() + bytes(100 << 20)))
    assert peak_bytes(tmp_path / "bomb.nii.gz") < 1 << 20


@pytest.mark.parametrize("dtype", [np.int16, np.float32, np.float64])
def test_reading_takes_little_more_memory_than_the_volume(tmp_path: Path, dtype: type) -> None:
    path = volumes.save(tmp_path / "scan.nii.gz", np.zeros((100, 200, 200), dtype))
    assert peak_bytes(path) < 1.5 * nifti_voxels(path).nbytes + (4 << 20)


def either(path: Path) -> None:
    """A file reads as its header says or is refused, nothing else."""
    volume = outcome(nifti_voxels, path)
    if isinstance(volume, str):
        assert volume
        assert path.name not in volume
        refusal(path)
    else:
        told = nifti_header(path)
        assert volume.shape == (told.slices, told.height, told.width, 1)
        assert volume.dtype.kind in "iu" or volume.dtype == np.float32


@pytest.fixture(scope="module")
def targets(flair: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A crop of a real volume, plain and gzipped, and the start of the real file itself."""
    folder = tmp_path_factory.mktemp("targets")
    image = nib.load(flair)
    image.slicer[100:108, 100:108, 70:74].to_filename(folder / "crop.nii")
    content = (folder / "crop.nii").read_bytes()
    return {"plain": content, "packed": gzip.compress(content), "start": flair.read_bytes()[:1024]}


@pytest.mark.long
@settings(max_examples=250, deadline=5000)
@given(
    which=st.sampled_from(["plain", "packed", "start"]),
    changes=st.lists(st.tuples(st.integers(0, 420), st.integers(0, 255)), min_size=1, max_size=8),
    keep=st.integers(0, 2000) | st.none(),
)
def test_damaged_bytes(
    tmp_path_factory: pytest.TempPathFactory,
    targets: dict[str, bytes],
    which: str,
    changes: list[tuple[int, int]],
    keep: int | None,
) -> None:
    content = bytearray(targets[which])
    for offset, value in changes:
        content[offset % len(content)] = value
    path = tmp_path_factory.getbasetemp() / "damaged.nii.gz"
    path.write_bytes(content[:keep])
    either(path)


@pytest.mark.long
@settings(max_examples=150, deadline=5000)
@given(
    st.dictionaries(
        st.sampled_from(sorted(volumes.FIELDS)), st.binary(min_size=32, max_size=32), min_size=1, max_size=4
    )
)
def test_forged_fields(tmp_path_factory: pytest.TempPathFactory, fields: dict[str, bytes]) -> None:
    """Whole fields at once, which single bytes seldom make: huge sizes, NaN, unknown codes."""
    path = volumes.save(tmp_path_factory.getbasetemp() / "forged.nii", numbered())
    content = bytearray(path.read_bytes())
    for name, value in fields.items():
        offset, kind = volumes.FIELDS[name]
        size = struct.calcsize(kind)
        content[offset : offset + size] = value[:size]
    path.write_bytes(content)
    either(path)
