"""Folders and archives as users have them: complete, foreign, damaged, and out to do harm."""

import contextlib
import errno
import gzip
import io
import random
import shutil
import stat
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.core.errors import UserError
from stages.sources import archive, brats, lgg, location
from tests.fixtures import scans

LAYOUT = "kaggle_3m/<case>/<case>_<number>.tif with <case>_<number>_mask.tif beside it"
GOOD = "k/case/case_1.tif"


def contents(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


def zipped(path: Path, entries: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in entries.items():
            file.writestr(name, content)
    return path


def refused(place: Path, into: Path) -> str:
    """The sentence `bring` refuses `place` with. Nothing may have been written, not even outside `into`."""
    into.mkdir()
    before = sorted(into.parent.rglob("*"))
    with pytest.raises(UserError) as error:
        location.bring(lgg.LGG, place, into)
    assert sorted(into.parent.rglob("*")) == before
    return str(error.value)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    scans.write_lgg(tmp_path / "scans", patients=2, slices=3, size=32)
    (tmp_path / "scans" / "notes.txt").write_text("not ours")
    (tmp_path / "scans" / "kaggle_3m" / "._x_1.tif").write_bytes(b"macOS")
    (tmp_path / "scans" / "__MACOSX").mkdir()
    (tmp_path / "scans" / "__MACOSX" / "x_1.tif").write_bytes(b"macOS")
    return tmp_path / "scans"


def test_a_folder_and_its_archive_bring_the_same_files_and_only_ours(folder: Path, tmp_path: Path) -> None:
    packed = Path(shutil.make_archive(str(tmp_path / "scans"), "zip", folder))
    for place, into in ((folder, tmp_path / "a"), (packed, tmp_path / "b")):
        into.mkdir()
        location.bring(lgg.LGG, place, into)
    wanted = {
        name: data
        for name, data in contents(folder).items()
        if "._" not in name and "MACOSX" not in name and name != "notes.txt"
    }
    assert len(wanted) == 2 * 3 * 2 + 1
    assert contents(tmp_path / "a") == contents(tmp_path / "b") == wanted


def test_copies_are_not_links(folder: Path, tmp_path: Path) -> None:
    """DVC makes what it manages read-only; that must not reach the user's own files."""
    location.bring(lgg.LGG, folder, tmp_path / "a")
    for path in (tmp_path / "a").rglob("*.tif"):
        assert path.stat().st_nlink == 1
        assert not path.is_symlink()


def test_a_real_archive_is_unpacked_whole(shared_data: Path, tmp_path: Path) -> None:
    """Blank masks in it expand 376 times: the guard against bombs must let them through."""
    location.bring(lgg.LGG, shared_data / "lgg.zip", tmp_path)
    with zipfile.ZipFile(shared_data / "lgg.zip") as file:
        sizes = {
            entry.filename: entry.file_size for entry in file.infolist() if entry.filename.endswith(".tif")
        }
        assert (
            max(entry.file_size / max(entry.compress_size, 1) for entry in file.infolist())
            > archive.MAX_RATIO
        )
    assert len(sizes) == 1660
    assert {
        path.relative_to(tmp_path).as_posix(): path.stat().st_size for path in tmp_path.rglob("*.tif")
    } == sizes


def test_a_missing_location(tmp_path: Path) -> None:
    place = tmp_path / "nowhere"
    wanted = f"ingest.location {place} does not exist; set it to a folder or a .zip that does"
    assert refused(place, tmp_path / "into") == wanted


@pytest.mark.parametrize("name", [None, "photo.jpg", "data.csv"])
def test_a_folder_without_scans(tmp_path: Path, name: str | None) -> None:
    place = tmp_path / "scans"
    place.mkdir()
    if name == "photo.jpg":
        (place / name).write_bytes(b"jpg")
    (tmp_path / "into").mkdir()
    with pytest.raises(UserError) as error:
        location.bring(lgg.LGG, place, tmp_path / "into")
    wanted = f"ingest.location {place}: the folder holds no scans of source lgg ({LAYOUT}); "
    assert str(error.value) == wanted + "check ingest.source and ingest.location"


def test_an_archive_with_nothing_but_the_table(tmp_path: Path) -> None:
    place = zipped(tmp_path / "x.zip", {"kaggle_3m/data.csv": b"Patient\n", "a.txt": b""})
    (tmp_path / "into").mkdir()
    with pytest.raises(UserError) as error:
        location.bring(lgg.LGG, place, tmp_path / "into")
    wanted = f"ingest.location {place}: the archive holds no scans of source lgg ({LAYOUT}); "
    assert str(error.value) == wanted + "check ingest.source and ingest.location"


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and then nothing", b"Rar!"])
def test_a_file_that_is_no_archive(tmp_path: Path, content: bytes) -> None:
    place = tmp_path / "x.zip"
    place.write_bytes(content)
    wanted = f"ingest.location {place} is neither a folder nor a zip archive; unpack or download it again"
    assert refused(place, tmp_path / "into") == wanted


def test_a_download_cut_short(folder: Path, tmp_path: Path) -> None:
    place = Path(shutil.make_archive(str(tmp_path / "scans"), "zip", folder))
    place.write_bytes(place.read_bytes()[:-5000])
    wanted = f"ingest.location {place} is neither a folder nor a zip archive; unpack or download it again"
    assert refused(place, tmp_path / "into") == wanted


def test_an_archive_whose_directory_is_damaged(tmp_path: Path) -> None:
    place = zipped(tmp_path / "x.zip", {GOOD: b"scan"})
    place.write_bytes(place.read_bytes().replace(b"PK\x01\x02", b"PK\x00\x00"))
    wanted = f"{place} is a damaged zip archive (Bad magic number for central directory); download it again"
    assert refused(place, tmp_path / "into") == wanted


@pytest.mark.parametrize(
    ("compression", "position", "reason"),
    [
        (zipfile.ZIP_STORED, 100, f"Bad CRC-32 for file '{GOOD}'"),
        (zipfile.ZIP_DEFLATED, 60, "its compressed bytes are damaged"),
        (zipfile.ZIP_BZIP2, 60, "Invalid data stream"),
        (zipfile.ZIP_LZMA, 70, "Corrupt input data"),
    ],
)
def test_a_damaged_entry_is_named(tmp_path: Path, compression: int, position: int, reason: str) -> None:
    scan = np.random.default_rng(0).integers(0, 16, 4000, dtype=np.uint8).tobytes()
    place = zipped(tmp_path / "x.zip", {GOOD: scan}, compression)
    content = bytearray(place.read_bytes())
    content[position : position + 30] = bytes(range(200, 230))
    place.write_bytes(content)
    (tmp_path / "into").mkdir()
    with pytest.raises(UserError) as error:
        location.bring(lgg.LGG, place, tmp_path / "into")
    assert str(error.value).startswith(f"{place}: {GOOD} cannot be unpacked ({reason}")
    assert str(error.value).endswith("); download the archive again")


@pytest.mark.usefixtures("without_processes")
@settings(max_examples=60)
@given(seed=st.integers(0, 2**32))
def test_whatever_bytes_of_an_archive_are_damaged_the_files_are_right_or_it_is_refused(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    root, draw = tmp_path_factory.mktemp("zip"), random.Random(seed)
    entries = {f"k/c/c_{n}.tif": draw.randbytes(50) * 20 for n in range(3)}
    place = zipped(root / "x.zip", entries)
    content = bytearray(place.read_bytes())
    for _ in range(draw.choice([1, 3])):
        content[draw.randrange(len(content))] = draw.randrange(256)
    place.write_bytes(content)
    (root / "into").mkdir()
    with contextlib.suppress(UserError):
        location.bring(lgg.LGG, place, root / "into")
        assert set(contents(root / "into").values()) <= set(entries.values())
    assert {path.name for path in root.iterdir()} == {"x.zip", "into"}


@pytest.mark.parametrize(
    "name",
    [
        "../evil_1.tif",
        "k/../../evil_1.tif",
        "k/c/../../../evil_1.tif",
        "/tmp/evil_1.tif",
        "//host/share/evil_1.tif",
        "C:/evil_1.tif",
        "C:evil_1.tif",
        "..\\evil_1.tif",
        "\\evil_1.tif",
        "k\\..\\..\\evil_1.tif",
        "../notes.txt",  # though it would not be unpacked
    ],
)
def test_an_entry_that_would_leave_its_folder_refuses_the_archive_whole(tmp_path: Path, name: str) -> None:
    place = zipped(tmp_path / "x.zip", {GOOD: b"good", name: b"evil", "k/case/case_2.tif": b"good"})
    with zipfile.ZipFile(place) as file:
        assert file.namelist()[1] == name  # zipfile wrote it as it is
    wanted = f"{place}: entry {name} would leave its folder; the archive is refused"
    assert refused(place, tmp_path / "into") == wanted


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_a_link_or_a_device_refuses_the_archive_whole(tmp_path: Path, kind: int) -> None:
    place = zipped(tmp_path / "x.zip", {GOOD: b"good"})
    entry = zipfile.ZipInfo("k/case/case_2.tif")
    entry.create_system = 3
    entry.external_attr = (kind | 0o777) << 16
    with zipfile.ZipFile(place, "a") as file:
        file.writestr(entry, "/etc/passwd")
    wanted = f"{place}: entry k/case/case_2.tif is a link or a device; the archive is refused"
    assert refused(place, tmp_path / "into") == wanted


def zeros(path: Path, size: int) -> Path:
    """A zip archive of one entry of so many zero bytes, written without holding them."""
    name = path.stem.replace("-", "/")
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file,
        file.open(name, "w", force_zip64=True) as out,
    ):
        for start in range(0, size, 1 << 24):
            out.write(bytes(min(1 << 24, size - start)))
    return path


def claiming(place: Path, name: str, size: int) -> None:
    """Add an entry of a megabyte to an archive that says it unpacks to `size` bytes, as a bomb would."""
    with zipfile.ZipFile(place, "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr(name, bytes(1 << 20))
        file.filelist[-1].file_size = size


def test_a_bomb_refuses_the_archive_whole(tmp_path: Path) -> None:
    place = zipped(tmp_path / "x.zip", {GOOD: b"good"})
    claiming(place, "k/case/case_2.tif", 10 << 30)
    wanted = f"{place}: entry k/case/case_2.tif expands over 200 times; the archive is refused"
    assert refused(place, tmp_path / "into") == wanted


@pytest.mark.slow
def test_gibibytes_of_zeros_are_a_bomb(tmp_path: Path) -> None:
    """More than the largest slice that is read: 8,192 x 8,192 in four channels of float64."""
    place = zeros(tmp_path / "k-case-case_1.tif.zip", 3 << 30)
    wanted = f"{place}: entry k/case/case_1.tif expands over 200 times; the archive is refused"
    assert refused(place, tmp_path / "into") == wanted


@pytest.mark.parametrize("name", ["a.json", "data.csv"])
def test_a_table_has_no_reason_to_expand(tmp_path: Path, name: str) -> None:
    place = zipped(tmp_path / "x.zip", {GOOD: b"good", f"k/{name}": b" " * (2 << 20)})
    into = tmp_path / "into"
    into.mkdir()
    source = replace(lgg.LGG, belongs=lambda path: True)
    with pytest.raises(UserError, match=f"entry k/{name} expands over 200 times; the archive is refused"):
        location.bring(source, place, into)


def test_what_is_not_unpacked_cannot_harm(tmp_path: Path) -> None:
    """A log beside the scans may compress as it likes; the bombs inside 42.zip are never opened."""
    place = zipped(tmp_path / "x.zip", {GOOD: b"good", "train.log": bytes(2 << 20), "42.zip": bytes(2 << 20)})
    location.bring(lgg.LGG, place, tmp_path / "into")
    assert contents(tmp_path / "into") == {GOOD: b"good"}


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("side", [724, 2048])
def test_a_mask_that_is_nearly_all_zero_is_no_bomb(tmp_path: Path, dtype: type, side: int) -> None:
    mask: np.ndarray = np.zeros((side, side), dtype)
    mask[300:310, 300:310] = 1
    stream = io.BytesIO()
    tifffile.imwrite(stream, mask)
    place = zipped(tmp_path / "x.zip", {"k/a/a_1_mask.tif": stream.getvalue()})
    with zipfile.ZipFile(place) as file:
        (entry,) = file.infolist()
        assert entry.file_size > archive.MAX_RATIO * entry.compress_size
    location.bring(lgg.LGG, place, tmp_path / "into")
    assert contents(tmp_path / "into") == {"k/a/a_1_mask.tif": stream.getvalue()}


def test_a_blank_volume_is_no_bomb(tmp_path: Path) -> None:
    """One of 320 x 320 x 200 as float32 takes 78 MiB, and less than 100 KiB in the archive."""
    size = 352 + 4 * 320 * 320 * 200
    place = zeros(tmp_path / "case-case_seg.nii.zip", size)
    location.bring(brats.BRATS, place, tmp_path / "into")
    assert (tmp_path / "into" / "case" / "case_seg.nii").stat().st_size == size


def test_an_archive_larger_than_the_disk_has_room_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = zipped(tmp_path / "x.zip", {GOOD: random.Random(0).randbytes(1 << 20)})
    room = SimpleNamespace(free=1 << 19)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: room)
    wanted = f"{place} unpacks to 0.000977 GiB, and 0.000488 GiB are free here; free some space"
    assert refused(place, tmp_path / "into") == wanted


def test_a_blank_mask_is_no_bomb(tmp_path: Path) -> None:
    place = zipped(tmp_path / "x.zip", {GOOD: bytes(2**16)})
    with zipfile.ZipFile(place) as file:
        assert file.infolist()[0].file_size > 300 * file.infolist()[0].compress_size
    location.bring(lgg.LGG, place, tmp_path / "into")
    assert contents(tmp_path / "into") == {GOOD: bytes(2**16)}


def test_a_label_volume_is_no_bomb(shared_data: Path, tmp_path: Path) -> None:
    """BraTS 2020 comes as plain .nii, and its label maps, nearly all zero, expand 300 to 600 times."""
    with zipfile.ZipFile(shared_data / "brats2015.zip") as file:
        name = next(name for name in file.namelist() if "OTMultiClass" in name)
        voxels = gzip.decompress(file.read(name))
    place = zipped(tmp_path / "a.zip", {"case/case_seg.nii": voxels})
    with zipfile.ZipFile(place) as file:
        (entry,) = file.infolist()
        assert entry.file_size > archive.MAX_RATIO * entry.compress_size
    location.bring(brats.BRATS, place, tmp_path / "into")
    assert contents(tmp_path / "into") == {"case/case_seg.nii": voxels}


def test_what_one_entry_may_do_many_together_may_not(tmp_path: Path) -> None:
    """Ten gibibytes of zeros in entries that each could be a scan, and the true ratio of 1,000."""
    place = zipped(tmp_path / "a.zip", {GOOD: b"good"})
    for number in range(2, 12):
        claiming(place, f"k/case/case_{number}.tif", 1 << 30)
    assert refused(place, tmp_path / "into") == f"{place} expands over 200 times; the archive is refused"


def test_a_name_that_is_a_file_and_a_folder(tmp_path: Path) -> None:
    place = zipped(tmp_path / "a.zip", {"x_1.tif": b"1", "x_1.tif/y_1.tif": b"2"})
    with pytest.raises(UserError) as error:
        location.bring(lgg.LGG, place, tmp_path / "into")
    assert str(error.value) == (
        f"{place} uses one name for a file and a folder; unpack it and name the folder"
    )


def test_of_two_entries_of_one_name_the_later_counts(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr(GOOD, b"1")
        with pytest.warns(UserWarning, match="Duplicate name"):
            file.writestr(GOOD, b"2")
    location.bring(lgg.LGG, tmp_path / "a.zip", tmp_path / "into")
    assert contents(tmp_path / "into") == {GOOD: b"2"}


def test_an_archive_that_claims_to_unpack_to_more_than_any_source_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = zipped(tmp_path / "x.zip", {GOOD: b"good" * 300, "k/case/case_2.tif": b"good" * 300})
    monkeypatch.setattr(archive, "MAX_BYTES", 2**11)
    assert refused(place, tmp_path / "into") == f"{place} unpacks to more than 0 GiB; the archive is refused"


def test_an_encrypted_archive_says_so(tmp_path: Path) -> None:
    place = zipped(tmp_path / "x.zip", {GOOD: b"good"})
    content = bytearray(place.read_bytes())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    place.write_bytes(content)
    wanted = f"{place}: entry {GOOD} is encrypted; unpack the archive and name its folder"
    assert refused(place, tmp_path / "into") == wanted


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_full_disk_is_not_blamed_on_the_archive(tmp_path: Path, compression: int) -> None:
    place = zipped(tmp_path / "x.zip", {GOOD: b"good"}, compression)
    (tmp_path / "into" / GOOD).parent.mkdir(parents=True)
    (tmp_path / "into" / GOOD).symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        location.bring(lgg.LGG, place, tmp_path / "into")


def test_an_entry_too_large_for_memory_is_streamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan = random.Random(0).randbytes(500) * 20
    place = zipped(tmp_path / "x.zip", {GOOD: scan}, zipfile.ZIP_DEFLATED)
    monkeypatch.setattr(archive, "WHOLE_BYTES", 100)
    monkeypatch.setattr(archive, "_inflated", None)
    (tmp_path / "into").mkdir()
    location.bring(lgg.LGG, place, tmp_path / "into")
    assert (tmp_path / "into" / GOOD).read_bytes() == scan


@pytest.mark.parametrize(
    ("claimed", "reason"), [(-1, "its compressed bytes are damaged"), (1, "its checksum is another")]
)
def test_a_deflated_entry_of_another_length_than_it_claims(tmp_path: Path, claimed: int, reason: str) -> None:
    scan = random.Random(0).randbytes(500) * 2
    place = zipped(tmp_path / "x.zip", {GOOD: scan}, zipfile.ZIP_DEFLATED)
    sizes = (1000).to_bytes(4, "little"), (1000 + claimed).to_bytes(4, "little")
    place.write_bytes(place.read_bytes().replace(*sizes))
    (tmp_path / "into").mkdir()
    with pytest.raises(UserError, match=f"cannot be unpacked .{reason}.; download"):
        location.bring(lgg.LGG, place, tmp_path / "into")


def test_a_file_that_may_not_be_read(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = folder / "kaggle_3m" / scans.case_name(0) / f"{scans.case_name(0)}_1.tif"
    real = shutil.copyfile

    def guarded(source: Path, target: Path) -> Path:
        if source == first:
            raise PermissionError(errno.EACCES, "denied", str(source))
        return real(source, target)

    monkeypatch.setattr(shutil, "copyfile", guarded)
    with pytest.raises(UserError) as error:
        location.bring(lgg.LGG, folder, tmp_path / "into")
    assert str(error.value) == f"{first} cannot be read; change its permissions or remove it"
