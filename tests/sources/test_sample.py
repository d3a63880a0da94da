"""The embedded sample: its layout, its determinism, and that it is neither trivial nor blind."""

import csv
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from scipy import ndimage

from stages.sources import sample

NAME = re.compile(r"SAMPLE_(?P<site>[A-Z]{2})_(?P<number>\d{4})_(?P<date>\d{8})")
COUNT = 8  # two patients of every scanner, the fourth with a copied channel


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def folders(root: Path) -> list[Path]:
    """One folder per patient, in the order they were made."""
    return sorted(
        (path for path in (root / "kaggle_3m").iterdir() if path.is_dir()), key=lambda p: p.name[10:]
    )


def volume(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    slices = range(1, len(list(folder.glob("*_mask.tif"))) + 1)
    images = [tifffile.imread(folder / f"{folder.name}_{k}.tif") for k in slices]
    masks = [tifffile.imread(folder / f"{folder.name}_{k}_mask.tif") for k in slices]
    return np.stack(images), np.stack(masks)


def spacing(path: Path) -> tuple[float, float, float]:
    """(slice, row, column) in mm, as a reader of LGG-like files finds it."""
    with tifffile.TiffFile(path) as file:
        tags, about = file.pages.first.tags, file.imagej_metadata or {}
    (columns, wide), (rows, high) = tags["XResolution"].value, tags["YResolution"].value
    assert about["unit"] == "mm"
    return about["spacing"], high / rows, wide / columns


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sample")
    sample.write(root, patients=COUNT)
    return root


@pytest.fixture(scope="module")
def volumes(root: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    return [volume(folder) for folder in folders(root)]


def test_the_layout_is_that_of_lgg(root: Path) -> None:
    assert [path.name for path in root.iterdir()] == ["kaggle_3m"]
    assert len(folders(root)) == COUNT
    for folder in folders(root):
        assert NAME.fullmatch(folder.name)
        slices = len(list(folder.iterdir())) // 2
        assert 12 <= slices <= 18
        wanted = {f"{folder.name}_{k}{end}.tif" for k in range(1, slices + 1) for end in ("", "_mask")}
        assert {path.name for path in folder.iterdir()} == wanted
    assert len({len(list(folder.iterdir())) for folder in folders(root)}) > 2


def test_the_table_names_every_patient_and_four_sites_in_turn(root: Path) -> None:
    with (root / "kaggle_3m" / "data.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["Patient"] for row in rows] == [folder.name.rpartition("_")[0] for folder in folders(root)]
    sites = [row["site"] for row in rows]
    assert sites == [row["Patient"].split("_")[1] for row in rows]
    assert len(set(sites[:4])) == 4
    assert sites[:4] == sites[4:]


def test_pixels(volumes: list[tuple[np.ndarray, np.ndarray]]) -> None:
    for images, masks in volumes:
        assert images.dtype == masks.dtype == np.uint8
        assert images.shape[1:] == (192, 192, 3)
        assert masks.shape == images.shape[:3]
        assert set(np.unique(masks)) == {0, 255}
        assert (images == 255).mean() < 0.01, "saturated"


def test_spacing_is_read_back_and_covers_a_head(root: Path) -> None:
    found = set()
    for folder in folders(root):
        inside = {spacing(path) for path in folder.iterdir()}
        assert len(inside) == 1, "one case, one spacing; the mask's included"
        thickness, row, column = inside.pop()
        assert row == pytest.approx(column)
        assert 1.2 <= row <= 1.3
        assert 6.3 <= thickness <= 8.2
        assert 85 <= thickness * len(list(folder.iterdir())) / 2 <= 130
        found.add((thickness, row))
    assert len(found) == COUNT


def test_the_same_seed_gives_the_same_bytes_on_any_number_of_threads(tmp_path: Path) -> None:
    threads = cv2.getNumThreads()
    sample.write(tmp_path / "a", patients=1, seed=5)
    try:
        cv2.setNumThreads(1 if threads > 1 else 4)
        sample.write(tmp_path / "b", patients=1, seed=5)
    finally:
        cv2.setNumThreads(threads)
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_a_patient_does_not_depend_on_how_many_there_are(root: Path, tmp_path: Path) -> None:
    sample.write(tmp_path, patients=2)
    few, many = files(tmp_path), files(root)
    table = "kaggle_3m/data.csv"
    assert many.pop(table).startswith(few.pop(table))
    assert few == {name: many[name] for name in many if re.search(r"_100[01]_", name)}


def test_another_seed_gives_other_patients(root: Path, tmp_path: Path) -> None:
    sample.write(tmp_path, patients=1, seed=1)
    (other,) = folders(tmp_path)
    images, _ = volume(other)
    for folder in folders(root):
        first = tifffile.imread(folder / f"{folder.name}_6.tif")
        assert np.abs(first.astype(int) - images[5]).mean() > 2


def test_every_patient_has_a_tumour_of_plausible_volume_and_slices_without(
    root: Path, volumes: list[tuple[np.ndarray, np.ndarray]]
) -> None:
    millilitres = []
    for folder, (_, masks) in zip(folders(root), volumes, strict=True):
        slices = (masks > 0).reshape(len(masks), -1).any(1)
        assert (masks > 0).sum() >= 30
        assert 2 <= np.count_nonzero(slices) < len(masks)
        millilitres.append((masks > 0).sum() * np.prod(spacing(next(folder.iterdir()))) / 1000)
    assert min(millilitres) > 1
    assert max(millilitres) < 100
    assert max(millilitres) > 4 * min(millilitres)


def test_a_tumour_stands_out_from_the_brain_around_it(volumes: list[tuple[np.ndarray, np.ndarray]]) -> None:
    """On FLAIR brighter; on T1 darker, save where FLAIR was copied over it; else nothing to learn."""
    brighter, darker = [], []
    for images, masks in volumes:
        inside = masks > 0
        near = ndimage.binary_dilation(inside, np.ones((1, 3, 3)), iterations=10) & ~inside
        before, flair = (np.median(images[inside], 0) - np.median(images[near], 0))[:2]
        brighter.append(flair > 0)
        darker.append(before < 0)
    assert all(brighter)
    assert sum(darker) >= COUNT - 1


def test_a_threshold_is_not_enough(volumes: list[tuple[np.ndarray, np.ndarray]]) -> None:
    """The best global threshold on z-scored FLAIR, and the same with the bright scalp taken away."""
    for trimmed in (0, 14):  # pixels off the head's rim: scalp and skull
        dice = []
        for images, masks in volumes:
            flair, truth = images[..., 1].astype(float), masks > 0
            head = ndimage.binary_fill_holes(flair.mean(0) > 0.35 * flair.mean(0).max())
            kept = ndimage.binary_erosion(head, iterations=trimmed) if trimmed else np.ones_like(head)
            scores = (flair - flair[:, kept].mean()) / flair[:, kept].std()
            guesses = [(scores > t) & kept for t in np.arange(0.0, 5.0, 0.2)]
            dice.append([2 * (guess & truth).sum() / (guess.sum() + truth.sum()) for guess in guesses])
        assert np.mean(dice, axis=0).max() < 0.65


def test_scanners_differ_and_so_do_patients_of_one_scanner(
    volumes: list[tuple[np.ndarray, np.ndarray]],
) -> None:
    tops = np.array([np.percentile(images, 98, axis=(0, 1, 2)) for images, _ in volumes])
    assert (np.ptp(tops, axis=0) / tops.mean(0) > 0.25).all(), "one intensity scale would fit all patients"
    # Averaged over the channels, so that it is the patient's scale and not one channel's shading or gamma.
    assert np.abs(np.log(tops[:4] / tops[4:]).mean(1)).max() > 0.3, "patients of a scanner share their scale"
    balance = np.delete(tops[:, 1] / tops[:, 0], 3)  # without the patient whose T1 may be FLAIR
    bl, cn = balance[[1, 4]], balance[[2, 5]]
    assert bl.max() < cn.min(), "FLAIR against T1 is a scanner's signature"


def test_one_patient_lacks_a_sequence_and_shows_flair_in_its_place(
    volumes: list[tuple[np.ndarray, np.ndarray]],
) -> None:
    copied = [
        index
        for index, (images, _) in enumerate(volumes)
        if any((images[..., channel] == images[..., 1]).all() for channel in (0, 2))
    ]
    assert copied == [3]
    # The default set holds that patient, and the other hardships.
    assert len(range(3, sample.PATIENTS, sample.HARD)) >= len(sample.HARDSHIPS)


def test_no_patients_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least 1 patient"):
        sample.write(tmp_path, patients=0)
    assert not list(tmp_path.iterdir())
