"""The folder of corrections: what is written is read again bit for bit, and nothing in it is trusted."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from stages.core import record
from stages.core.errors import UserError
from stages.core.record import Record
from stages.formats.reader import Reader
from stages.scan.task import Task, harmonise
from stages.sources import corrections, sources
from stages.sources.correction import NAME
from stages.sources.nifti import LESION
from tests.fixtures import corrections as made

DTYPES = ("uint8", "uint16", "int16", "int32", "float32")
THREE = Task("three", {1: "a", 2: "b", 3: "c"}, {"a": [1], "b": [2], "c": [3]}, None, True, "tissue")


@st.composite
def scans(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Voxels (S, H, W, C) and classes (S, H, W)."""
    shape = draw(st.tuples(*(st.integers(1, size) for size in (5, 9, 9, 5))))
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    elements = st.floats(-1e6, 1e6, width=32) if dtype.kind == "f" else None
    voxels = draw(arrays.arrays(dtype, shape, elements=elements))
    return voxels, draw(arrays.arrays(np.uint8, shape[:3], elements=st.integers(0, 3)))


def read(root: Path, rows: list[Record]) -> tuple[np.ndarray, np.ndarray]:
    reader = Reader(root)
    images, masks = [], []
    for row in rows:
        images.append(reader.image(row.image, row.slice, row.modalities))
        masks.append(harmonise(reader.mask(row.mask, row.slice), sources.task(row.label_set)))
    return np.stack(images), np.stack(masks)


@settings(max_examples=60)
@given(scan=scans(), seed=st.integers(0, 200), placed=st.booleans())
def test_what_is_written_is_read_again_bit_for_bit(
    scan: tuple[np.ndarray, np.ndarray], seed: int, placed: bool
) -> None:
    voxels, labels = scan
    slices, rows, columns, count = voxels.shape
    grid = None
    if placed:
        grid = next(
            grid
            for axes in ((slices, rows, columns),)
            for order in np.ndindex(3, 3, 3)
            if sorted(order) == [0, 1, 2]
            and (grid := made.grid((axes[order[0]], axes[order[1]], axes[order[2]]), seed)).size == axes
        )
    names = tuple(f"sequence {number}" for number in range(count))
    each = made.about("x", channels=names, spacing=made.SPACING, task=THREE)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        home = corrections.write(root, each, voxels, labels, grid)
        end = "nii.gz" if grid else "tif"
        assert sorted(path.name for path in home.iterdir()) == [NAME, f"image.{end}", f"mask.{end}"]
        holding = corrections.find(root)
        again, classes = read(root, holding.records)
        if not grid:  # by another reader
            pages = [page.asarray() for page in tifffile.TiffFile(home / "image.tif").pages]
            np.testing.assert_array_equal(np.stack(pages).reshape(voxels.shape), voxels)
        else:
            assert nib.load(home / "image.nii.gz").shape[3:] == ((count,) if count > 1 else ())
    assert again.dtype == voxels.dtype
    np.testing.assert_array_equal(again, voxels)
    np.testing.assert_array_equal(classes, labels)
    assert [row.slice for row in holding.records] == list(range(slices))
    for row in holding.records:
        assert (row.width, row.height, row.channels) == (columns, rows, count)
        assert (row.spacing_mm, row.modalities) == ("6;1;0.9", ";".join(names))
        assert sources.task(row.label_set).alike(THREE)


@pytest.mark.parametrize(
    ("own", "stored"), [("bool", "uint8"), ("float16", "float16"), ("float64", "float64")]
)
def test_other_numbers_without_a_grid(tmp_path: Path, own: str, stored: str) -> None:
    voxels = (np.arange(2 * 4 * 5).reshape(2, 4, 5, 1) % 3).astype(own)
    each = made.about("x", channels=("flair",))
    corrections.write(tmp_path, each, voxels, np.zeros((2, 4, 5), np.uint8), None)
    again, _ = read(tmp_path, corrections.find(tmp_path).records)
    assert again.dtype == stored
    np.testing.assert_array_equal(again, voxels)


def test_numbers_that_nifti_does_not_have_are_float32(tmp_path: Path) -> None:
    voxels = np.linspace(-1, 1, 24).reshape(2, 3, 4, 1).astype(np.float16)
    grid = made.grid((4, 3, 2), 0)
    voxels = np.resize(voxels, (*grid.size, 1))
    each = made.about("x", channels=("flair",))
    corrections.write(tmp_path, each, voxels, np.zeros(grid.size, np.uint8), grid)
    again, _ = read(tmp_path, corrections.find(tmp_path).records)
    np.testing.assert_array_equal(again, voxels.astype(np.float32))


def test_spacing_is_what_the_json_says_also_where_that_is_nothing(tmp_path: Path) -> None:
    grid = made.grid((4, 4, 4))
    each = made.about("x", channels=("flair",))
    corrections.write(tmp_path, each, np.ones((4, 4, 4, 1), np.int16), np.zeros((4, 4, 4), np.uint8), grid)
    assert {row.spacing_mm for row in corrections.find(tmp_path).records} == {""}


def test_a_later_correction_of_a_scan_takes_the_place_of_the_earlier(tmp_path: Path) -> None:
    home = made.small(tmp_path, slices=4)
    (home / "image.nii.gz").write_bytes(b"left over")
    assert made.small(tmp_path, slices=2) == home
    assert sorted(path.name for path in home.iterdir()) == [NAME, "image.tif", "mask.tif"]
    assert len(corrections.find(tmp_path).records) == 2
    assert [path.name for path in tmp_path.iterdir()] == [home.name]


def test_corrections_follow_each_other_in_time_and_each_is_a_patient_whom_nobody_told(tmp_path: Path) -> None:
    late = made.small(tmp_path, "p1", when="2026-12-01T00:00:00Z")
    early = made.small(tmp_path, "p2")
    holding = corrections.find(tmp_path)
    names = [f"correction-{home.name}" for home in (early, late)]
    assert list(dict.fromkeys(row.case_id for row in holding.records)) == names
    assert [row.sample_id for row in holding.records][:2] == [f"{names[0]}_000", f"{names[0]}_001"]
    assert {row.patient_id for row in holding.records} == set(names)
    assert not any(row.patient_known for row in holding.records)
    assert "each of the 2 cases counts as one" in holding.notes[0]
    (tmp_path / "patients.csv").write_text("file,patient\np1,A\np2,A\n")
    holding = corrections.find(tmp_path)
    assert ({row.patient_id for row in holding.records}, holding.notes) == ({"A"}, ())
    assert all(row.patient_known for row in holding.records)


def test_signs_that_nobody_sees_do_not_make_a_folder_unreadable(tmp_path: Path) -> None:
    made.small(tmp_path, "a\0b\nc\ud800", who="x\r\n")
    (stored,) = corrections.every(tmp_path).values()
    assert (stored.correction.name, stored.correction.who) == ("a_b_c_", "x__")


@pytest.mark.parametrize(
    "harm",
    [
        {"scan": "../../etc"},
        {"channels": ("flair",)},
        {"channels": ("a;b", "c", "d")},
        {"when": "yesterday"},
        {"verdict": "fine"},
    ],
    ids=str,
)
def test_what_could_not_be_read_is_not_written(tmp_path: Path, harm: dict[str, Any]) -> None:
    before = made.small(tmp_path)
    with pytest.raises(ValueError, match=r"must be|do not fit"):
        made.small(tmp_path, **harm)
    assert [path.name for path in tmp_path.iterdir()] == [before.name]


@pytest.mark.parametrize(
    ("shape", "dtype", "top"),
    [((2, 20, 15), "uint8", 1), ((2, 20, 16), "int64", 1), ((2, 20, 16), "uint8", 2)],
)
def test_labels_that_do_not_fit_are_not_written(tmp_path: Path, shape: tuple, dtype: str, top: int) -> None:
    with pytest.raises(ValueError, match=r"do not fit|is no class of 1"):
        corrections.write(
            tmp_path, made.about("x"), np.zeros((2, 20, 16, 3)), np.full(shape, top, dtype), None
        )
    assert not list(tmp_path.iterdir())


def says(key: str, value: Any) -> Callable[[Path], None]:
    return lambda home: made.edit(home, lambda said: said.update({key: value}))


def lacks(key: str) -> Callable[[Path], None]:
    return lambda home: made.edit(home, lambda said: said.pop(key))


def file(name: str, content: bytes | None) -> Callable[[Path], None]:
    def do(home: Path) -> None:
        (home / name).unlink()
        if content is not None:
            (home / name).write_bytes(content)

    return do


def content(text: bytes) -> Callable[[Path], None]:
    return file(NAME, text)


def pages(name: str, *shape: int) -> Callable[[Path], None]:
    colours = {"photometric": "minisblack", "metadata": None}
    return lambda home: tifffile.imwrite(home / name, np.zeros(shape, np.uint8), **colours)


ANEW = "; save the mask anew in the browser, or remove this correction's folder"
BAD: dict[str, tuple[Callable[[Path], None], str]] = {
    "no json": (file(NAME, None), f"{{0}} has no {NAME}{ANEW}"),
    "not json": (content(b"{"), f"{{0}}/{NAME}: it is no readable JSON{ANEW}"),
    "empty": (content(b"\n"), f"{{0}}/{NAME}: it is no readable JSON{ANEW}"),
    "bytes": (content(b'{"schema": "\xff"}'), f"{{0}}/{NAME}: it is no readable JSON{ANEW}"),
    "deep": (content(b"[" * 100_000), f"{{0}}/{NAME}: it is no readable JSON{ANEW}"),
    "huge": (content(b" " * (2 << 20)), f"{{0}}/{NAME}: it is larger than the 1 MiB that are allowed{ANEW}"),
    "list": (content(b"[]"), f"{{0}}/{NAME}: it has no keys{ANEW}"),
    "schema": (
        says("schema", 2),
        f"{{0}}/{NAME}: schema must be 1, which this version of the program reads, not 2{ANEW}",
    ),
    "schema is true": (
        says("schema", True),
        f"{{0}}/{NAME}: schema must be 1, which this version of the program reads, not True{ANEW}",
    ),
    "no hash": (
        says("scan", "abc"),
        f"{{0}}/{NAME}: scan must be a SHA-256, 64 hexadecimal digits, not 'abc'{ANEW}",
    ),
    "other scan": (
        says("scan", "ab" * 32),
        f"{{0}}/{NAME} is of scan abababababababab..., and its folder is called '{{0}}'; call the folder by "
        "the first 16 digits of its scan, or remove it",
    ),
    "name": (
        says("name", "a\0b"),
        f"{{0}}/{NAME}: name must be a text without control characters, not 'a\\x00b'{ANEW}",
    ),
    "verdict": (
        says("verdict", None),
        f"{{0}}/{NAME}: verdict must be accepted or corrected, not None{ANEW}",
    ),
    "version": (
        says("version", 3),
        f"{{0}}/{NAME}: version must be null or a text without control characters, not 3{ANEW}",
    ),
    "when": (
        says("when", "now"),
        f"{{0}}/{NAME}: when must be a time such as 2026-11-28T04:30:00Z, not 'now'{ANEW}",
    ),
    "one channel": (
        says("channels", "flair"),
        f"{{0}}/{NAME}: channels must be a list of different names without semicolons, not 'flair'{ANEW}",
    ),
    "channels twice": (
        says("channels", ["a", "a", "b"]),
        f"{{0}}/{NAME}: channels must be a list of different names without semicolons, "
        f"not ['a', 'a', 'b']{ANEW}",
    ),
    "semicolon": (
        says("channels", ["a;b", "c", "d"]),
        f"{{0}}/{NAME}: channels must be a list of different names without semicolons, "
        f"not ['a;b', 'c', 'd']{ANEW}",
    ),
    "channels": (
        says("channels", ["flair"]),
        f"{{0}}/image.tif has 3 channels, and {NAME} names 1 (flair){ANEW}",
    ),
    "folder": (
        says("image", "sub/image.tif"),
        f"{{0}}/{NAME}: image must be image.nii.gz or image.tif, not 'sub/image.tif'{ANEW}",
    ),
    "above": (
        says("mask", "../mask.tif"),
        f"{{0}}/{NAME}: mask must be mask.nii.gz or mask.tif, not '../mask.tif'{ANEW}",
    ),
    "NUL": (
        says("mask", "mask.tif\0"),
        f"{{0}}/{NAME}: mask must be mask.nii.gz or mask.tif, not 'mask.tif\\x00'{ANEW}",
    ),
    "two formats": (
        says("mask", "mask.nii.gz"),
        f"{{0}}/{NAME}: image.tif and mask.nii.gz are of two formats{ANEW}",
    ),
    "no mask": (file("mask.tif", None), f"{{0}}/{NAME} names mask.tif, which is not beside it{ANEW}"),
    "no image": (file("image.tif", None), f"{{0}}/{NAME} names image.tif, which is not beside it{ANEW}"),
    "damaged": (
        file("image.tif", b"II*\0 torn"),
        f"{{0}}/image.tif: it is not a readable TIFF (it holds no picture){ANEW}",
    ),
    "slices": (says("slices", 3), f"{{0}}/image.tif has 2 slices, and {NAME} says 3{ANEW}"),
    "slices of the mask": (
        pages("mask.tif", 3, 20, 16),
        f"{{0}}/mask.tif has 3 slices, and {NAME} says 2{ANEW}",
    ),
    "no number": (
        says("slices", 2.0),
        f"{{0}}/{NAME}: slices must be a whole number from 1 to 4096, not 2.0{ANEW}",
    ),
    "size": (pages("mask.tif", 2, 16, 20), f"{{0}}/mask.tif has 20x16 pixels, and image.tif 16x20{ANEW}"),
    "spacing": (
        says("spacing_mm", "1;1"),
        f'{{0}}/{NAME}: spacing_mm must be mm between slices, rows and columns, as "3;1;1", or empty, not '
        f"'1;1'{ANEW}",
    ),
    "no spacing": (
        says("spacing_mm", "1;0;1"),
        f'{{0}}/{NAME}: spacing_mm must be mm between slices, rows and columns, as "3;1;1", or empty, not '
        f"'1;0;1'{ANEW}",
    ),
    "task": (
        says("task", "tumour"),
        f"{{0}}/{NAME}: task must be classes, regions, exclusive and noun, not 'tumour'{ANEW}",
    ),
    "classes": (
        says("task", {"classes": {"2": "x"}, "regions": {"x": [2]}, "exclusive": False, "noun": "x"}),
        f"{{0}}/{NAME}: task: classes are numbered from 1 on, not [2]{ANEW}",
    ),
    **{
        f"no {key}": (lacks(key), f"{{0}}/{NAME}: it lacks {key}{ANEW}")
        for key in (
            "schema",
            "scan",
            "name",
            "who",
            "model",
            "channels",
            "image",
            "slices",
            "spacing_mm",
            "task",
        )
    },
}


@pytest.mark.parametrize("harm", BAD)
def test_a_bad_correction_is_one_sentence(tmp_path: Path, harm: str) -> None:
    made.small(tmp_path, "sound")
    home = made.small(tmp_path)
    do, sentence = BAD[harm]
    do(home)
    with pytest.raises(UserError) as refused:
        corrections.find(tmp_path)
    assert str(refused.value) == sentence.format(home.name)


def test_two_folders_of_one_scan(tmp_path: Path) -> None:
    home = made.small(tmp_path / "a")
    made.small(tmp_path / "b")
    with pytest.raises(UserError) as refused:
        corrections.find(tmp_path)
    name = home.name
    assert str(refused.value) == (
        f"a/{name} and b/{name} are both corrections of one scan; remove the one that is out of date"
    )


def test_tasks_that_differ(tmp_path: Path) -> None:
    homes = sorted([made.small(tmp_path, "a").name, made.small(tmp_path, "b", task=LESION).name])
    with pytest.raises(UserError) as refused:
        corrections.find(tmp_path)
    assert str(refused.value).startswith(
        f"{homes[0]} and {homes[1]} are of models that segment something else ("
    )
    assert "tumour" in str(refused.value)
    assert str(refused.value).endswith("; keep them in folders apart")


def test_an_empty_folder_and_what_a_killed_program_left(tmp_path: Path) -> None:
    home = made.small(tmp_path)
    home.rename(tmp_path / f".{home.name}.part-7")
    with pytest.raises(UserError, match=r"no correction\.json was found"):
        corrections.find(tmp_path)


def test_files_are_referred_to_as_tables_need_it(tmp_path: Path) -> None:
    home = made.small(tmp_path, slices=2)
    first, second = corrections.find(tmp_path).records
    assert (second.image, second.mask) == (f"{home.name}/image.tif#1", f"{home.name}/mask.tif#1")
    assert record.files([first, second]) == {f"{home.name}/image.tif", f"{home.name}/mask.tif"}
    assert json.loads(first.label_set)["noun"] == "tumour"
