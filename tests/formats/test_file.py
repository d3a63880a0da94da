"""Bytes that somebody hands over are the file that they came from."""

import gzip
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
import tifffile
from PIL import Image

from stages.formats import dicom, formats, nifti, raster, suffixes, tiff
from stages.formats.file import File, size
from stages.scan.header import Unreadable
from tests.fixtures import volumes
from tests.fixtures.dicom import SAGITTAL, write_series

PICTURE = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)


def same(one: Any, other: Any) -> None:
    """Two volumes are equal, but for the headers of a DICOM series, which are compared as text."""
    np.testing.assert_array_equal(one.voxels, other.voxels)
    assert (one.voxels.dtype, one.spacing) == (other.voxels.dtype, other.spacing)
    assert str(one.header) == str(other.header)
    assert (one.grid is None) == (other.grid is None)
    if one.grid is not None:
        np.testing.assert_array_equal(one.grid.affine, other.grid.affine)
        assert (one.grid.shape, one.grid.axes, one.grid.flipped) == (
            *(other.grid.shape, other.grid.axes),
            other.grid.flipped,
        )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A file of each format, and of each way to pack one."""
    for name in ("x.png", "x.jpg", "palette.png", "deep.png"):
        picture = Image.fromarray(PICTURE)
        if name == "palette.png":
            picture = picture.quantize(5)
        if name == "deep.png":
            picture = Image.fromarray(PICTURE[..., 0].astype(np.uint16) * 200)
        picture.save(tmp_path / name)
    about = {"spacing": 2.0, "unit": "mm"}
    tifffile.imwrite(tmp_path / "x.tif", PICTURE, imagej=True, resolution=(1.0, 1.0), metadata=about)
    tifffile.imwrite(tmp_path / "zlib.tiff", PICTURE, photometric="rgb", compression="zlib")
    tifffile.imwrite(tmp_path / "planes.tif", PICTURE, photometric="rgb", planarconfig="separate")
    voxels = np.random.default_rng(1).integers(0, 900, (5, 6, 7)).astype(np.int16)
    volumes.save(tmp_path / "x.nii", voxels, "PIR", spacing_mm=(3.0, 2.0, 1.0))
    volumes.save(tmp_path / "x.nii.gz", voxels, "SLA", spacing_mm=(3.0, 2.0, 1.0))
    return tmp_path


@pytest.mark.parametrize(
    "name",
    [
        *("x.png", "x.jpg", "palette.png", "deep.png"),
        *("x.tif", "zlib.tiff", "planes.tif", "x.nii", "x.nii.gz"),
    ],
)
def test_bytes_and_path_are_the_same_volume(folder: Path, name: str) -> None:
    path, kind = folder / name, formats.format_of(name)
    received = File.of(name, path.read_bytes())
    assert received.name == File.at(path).name
    for decode in (kind.decode, kind.decode_mask):
        same(received.read(decode), File.at(path).read(decode))
        same(received.read(decode), received.read(decode))  # as often as one likes
    header = received.read(kind.read_header)
    assert header == formats.read_header(path)
    volume = received.read(kind.decode)
    assert volume.voxels.shape == (header.slices, header.height, header.width, header.channels)
    assert volume.spacing == header.spacing_mm
    assert (volume.grid is not None) == kind.volume


@pytest.mark.parametrize("name", ["x.nii", "x.nii.gz"])
def test_a_volume_knows_its_grid_and_header(folder: Path, name: str) -> None:
    volume, content = File.at(folder / name).read(nifti.decode), (folder / name).read_bytes()
    block = gzip.decompress(content) if name.endswith(".gz") else content
    assert block.startswith(volume.header)
    assert len(volume.header) >= 348
    assert volume.grid is not None
    assert volume.grid.shape in {(7, 6, 5), (6, 5, 7), (5, 7, 6)}
    assert volume.grid.spacing == pytest.approx(volume.spacing) == (3.0, 2.0, 1.0)


def test_a_dicom_series_in_bytes_in_any_order(tmp_path: Path) -> None:
    voxels = volumes.numbered("u2")
    paths = write_series(tmp_path, voxels, SAGITTAL, spacing_mm=(3.0, 2.0, 1.0))
    received = [File.of(path.name, path.read_bytes()) for path in reversed(paths)]
    same(dicom.decode(received), dicom.decode([File.at(path) for path in paths]))


def test_files_of_a_series_are_closed_and_opened_one_by_one(tmp_path: Path) -> None:
    streams: list[BinaryIO] = []

    def opening(path: Path) -> Callable[..., Any]:
        def opened() -> Any:
            assert all(stream.closed for stream in streams)
            streams.append(path.open("rb"))
            return streams[-1]

        return opened

    paths = write_series(tmp_path, volumes.numbered("u2"))
    dicom.decode([File(path.name, opening(path)) for path in paths])
    assert len(streams) == 2 * len(paths)  # attributes of all are compared before pixels of any are decoded
    assert all(stream.closed for stream in streams)


@pytest.mark.parametrize(
    "decode", [nifti.decode, raster.decode, raster.decode_mask, tiff.decode, tiff.decode_mask]
)
@pytest.mark.parametrize("content", [b"", b"no scan", b"\x89PNG\r\n\x1a\n", b"II*\0", b"\x1f\x8b\x08"])
def test_bytes_that_are_no_scan(tmp_path: Path, decode: Callable[..., Any], content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    sentences = set()
    for file in (File.of("x", content), File.at(tmp_path / "x")):
        with pytest.raises(Unreadable) as refused:
            file.read(decode)
        sentences.add(str(refused.value))
        assert str(tmp_path) not in str(refused.value)
    assert len(sentences) == 1


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match=r"^No such file or directory$"):
        File.at(tmp_path / "x.png").read(raster.decode)
    with pytest.raises(Unreadable, match=r"^Is a directory$"):
        File.at(tmp_path).read(raster.decode)


def test_size_leaves_a_stream_where_it_is() -> None:
    stream = io.BytesIO(b"12345")
    stream.seek(2)
    assert (size(stream), stream.tell()) == (5, 2)


def test_suffixes() -> None:
    assert [suffixes.suffix_of(name) for name in ("a.NII.gz", "a.nii", "b.Dcm", "c.gz", "nii", "d.tiff")] == [
        *(".nii.gz", ".nii", ".dcm"),
        *("", "", ".tiff"),
    ]
    assert [suffixes.stem(name) for name in ("a.NII.gz", "b.c.png", "README")] == ["a", "b.c", "README"]
    assert formats.suffix_of("x.dcm") == ""


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("gone.png", "where nothing is; mend it, or fetch what it leads to"),
        ("x.png", "which leads in a circle; put the file in its place"),
    ],
)
def test_a_link_that_leads_nowhere(tmp_path: Path, target: str, why: str) -> None:
    (tmp_path / "x.png").symlink_to(target)
    with pytest.raises(Unreadable) as error:
        File.at(tmp_path / "x.png").read(lambda stream: stream.read())
    assert str(error.value) == f"it is a link to {target}, {why}"
    with pytest.raises(Unreadable, match=r"^No such file"):
        File.at(tmp_path / "y.png").read(lambda stream: stream.read())


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"4d" * 32 + b"\nsize 196748\n"


@pytest.mark.parametrize("name", [f"x{suffix}" for suffix in formats.FORMATS])
def test_a_pointer_of_git_lfs_says_what_it_is(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(LFS)
    kind = formats.format_of(name)
    for given in (File.at(tmp_path / name), File.of(name, LFS)):
        for decode in (kind.decode, kind.decode_mask, kind.read_header):
            with pytest.raises(Unreadable) as error:
                given.read(decode)
            assert str(error.value) == "it is a git-lfs pointer, not the file itself; run `git lfs pull`"


def test_so_does_one_in_a_dicom_series(tmp_path: Path) -> None:
    paths = write_series(tmp_path, volumes.numbered("u2"))
    paths[1].write_bytes(LFS)
    with pytest.raises(Unreadable, match="it is a git-lfs pointer, not the file itself"):
        dicom.decode([File.at(path) for path in paths])


def test_what_is_damaged_and_no_pointer_keeps_its_reason(tmp_path: Path) -> None:
    for content in (b"", b"version 1\n", b"about annex and objects\n", LFS[8:]):
        with pytest.raises(Unreadable) as error:
            File.of("x.png", content).read(raster.decode)
        assert "pointer" not in str(error.value)
