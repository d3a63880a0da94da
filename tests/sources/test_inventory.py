"""What lies at a location, as a hash: another after every change of what belongs, the same after none."""

import os
import shutil
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.core import lineage
from stages.core.errors import UserError
from stages.sources import inventory
from stages.sources.inventory import Inventory
from tests.fixtures import addresses, scans


def of(path: Path, memory: Path) -> Inventory:
    return inventory.of_path(path, "lgg", memory, "ingest.location")


def zipped(folder: Path, archive: Path) -> Path:
    shutil.make_archive(str(archive.with_suffix("")), "zip", folder)
    return archive


@pytest.fixture
def root(tmp_path: Path) -> Path:
    scans.write_lgg(tmp_path / "scans", patients=2, slices=3)
    return tmp_path / "scans"


@pytest.mark.parametrize("packed", [False, True])
def test_added_removed_renamed_and_changed_scans_are_seen(root: Path, packed: bool) -> None:
    memory = root.parent / "memory.json"

    def now() -> Inventory:
        return of(zipped(root, root.parent / "scans.zip") if packed else root, memory)

    seen = [now()]
    assert now() == seen[0]
    files, whole = sorted(root.rglob("*.tif")), [path for path in root.rglob("*") if path.is_file()]
    assert (seen[0].files, seen[0].bytes) == (len(whole), sum(path.stat().st_size for path in whole))
    for change in (
        lambda: shutil.copy(files[0], files[0].with_name(files[0].name.replace("_1", "_9"))),
        lambda: files[1].unlink(),
        lambda: files[2].rename(files[1]),
        lambda: files[3].write_bytes(files[3].read_bytes()[::-1]),  # as large as before
    ):
        change()
        seen.append(now())
    assert len({each.hash for each in seen}) == len(seen)


def test_a_file_that_changed_with_its_time_and_size_kept_is_seen(root: Path) -> None:
    memory, (first, *_) = root.parent / "memory.json", sorted(root.rglob("*.tif"))
    before, status = of(root, memory), first.stat()
    first.write_bytes(first.read_bytes()[::-1])
    os.utime(first, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert of(root, memory).hash != before.hash


def test_times_places_and_what_does_not_belong_do_not_count(root: Path) -> None:
    before = of(root, root.parent / "memory.json")
    for path in root.rglob("*.tif"):
        os.utime(path, ns=(0, 0))
    (root / "notes.docx").write_text("written meanwhile")
    (root / ".hidden.tif").touch()
    assert of(root, root.parent / "memory.json") == before
    shutil.move(root, root.parent / "elsewhere")
    assert of(root.parent / "elsewhere", root.parent / "other.json") == before


def test_content_is_hashed_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory, files = root.parent / "memory.json", sorted(path for path in root.rglob("*") if path.is_file())
    hashed: list[Path] = []
    content_hash = lineage.content_hash

    def counting(path: Path) -> str:
        hashed.append(path)
        return content_hash(path)

    monkeypatch.setattr(lineage, "content_hash", counting)
    of(root, memory)
    assert sorted(hashed) == files
    hashed.clear()
    of(root, memory)
    assert hashed == []
    files[4].write_bytes(b"another")
    of(root, memory)
    assert hashed == [files[4]]


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"listing": 1}', "\0"])
def test_a_damaged_memory_is_made_anew(root: Path, text: str) -> None:
    memory = root.parent / "memory.json"
    before = of(root, memory)
    memory.write_text(text)
    assert of(root, memory) == before == of(root, memory)


def test_links_are_followed_and_circles_end(root: Path) -> None:
    memory = root.parent / "memory.json"
    before = of(root, memory)
    case = next(path for path in root.rglob("*") if path.is_dir() and any(path.glob("*.tif")))
    shutil.move(case, root.parent / "moved")
    case.symlink_to(root.parent / "moved")
    (root / "round").symlink_to(root)
    assert of(root, memory) == before
    (root.parent / "moved" / sorted(os.listdir(case))[0]).write_bytes(b"changed behind the link")  # noqa: PTH208
    assert of(root, memory).hash != before.hash


def test_what_is_not_there_and_what_is_no_archive(root: Path) -> None:
    memory = root.parent / "memory.json"
    with pytest.raises(inventory.Absent, match=r"ingest.location .*/nowhere does not exist; set it"):
        of(root.parent / "nowhere", memory)
    damaged = root.parent / "damaged.zip"
    damaged.write_bytes(b"PK\3\4 and no more")
    before = of(damaged, memory)
    damaged.write_bytes(b"PK\3\4 and no less")
    assert of(damaged, memory).hash != before.hash
    (root / "kaggle_3m").mkdir(exist_ok=True)
    (root / "kaggle_3m/lost_1.tif").symlink_to("nowhere")
    with pytest.raises(UserError, match=r"lost_1.tif is not there"):
        of(root, memory)


@settings(max_examples=25)
@given(st.dictionaries(st.text("ab/_1", min_size=1, max_size=6), st.binary(max_size=4), max_size=5))
def test_an_archive_is_known_by_names_and_contents_alone(
    tmp_path_factory: pytest.TempPathFactory, content: dict[str, bytes]
) -> None:
    folder = tmp_path_factory.mktemp("archives")
    hashes = set()
    for number, compression in enumerate((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)):
        names = sorted(content, reverse=bool(number))
        with zipfile.ZipFile(folder / f"{number}.zip", "w", compression) as archive:
            for name in names:
                archive.writestr(
                    zipfile.ZipInfo(f"x{name}.tif", (1980 + number, 1, 1, 0, 0, 0)), content[name]
                )
        hashes.add(of(folder / f"{number}.zip", folder / f"{number}.json").hash)
    assert len(hashes) == 1


def test_an_address_is_known_by_what_its_server_tells(root: Path) -> None:
    def now() -> Inventory:
        return inventory.of_address(place.address(), "lgg", "ingest.location")

    with addresses.web(root) as place:
        before = now()
        first, *_ = sorted(root.rglob("*.tif"))
        content = first.read_bytes()
        assert now() == before
        first.write_bytes(content[::-1])
        assert now().hash != before.hash
        first.write_bytes(content)
        assert now() == before
        assert before.untold == 0
        place.tags = False
        assert now().untold == before.files
    with pytest.raises(inventory.Absent, match="check the address and the network"):
        now()
