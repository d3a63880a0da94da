"""What is measured of a scan, on pictures whose noise, shape and likeness are known."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages.core import tables
from stages.exporting import known
from stages.fingerprints import seen
from stages.framing import transform
from stages.population import catalogue, measures
from stages.population.catalogue import CONFIDENCE
from stages.population.measures import Frame
from stages.predicting import discovery, reading, segmenting
from stages.preprocess import run as preprocess
from stages.project.params import Preprocess
from stages.project.paths import Paths
from stages.scan.box import Box
from stages.scan.spacing import Spacing
from stages.sources import lgg
from stages.store import shards
from tests.fixtures import graphs, scans

SIDE = 96
FRAME = Frame([100.0], [20.0], Box(0, 0, SIDE, SIDE), SIDE, SIDE, Spacing(5.0, 0.9, 0.8))


def head(noise: float = 0.0, slices: int = 6, seed: int = 0) -> np.ndarray:
    """Levels (S, 96, 96, 1) uint8: a slope over a disc of 40 pixels in radius, with noise, in black."""
    rng = np.random.default_rng(seed)
    row, column = np.mgrid[:SIDE, :SIDE] - SIDE / 2 + 0.5
    picture = 120 + row + 0.5 * column + rng.normal(0, noise, (slices, SIDE, SIDE))
    return (np.rint(np.clip(picture, 1, 255)) * (np.hypot(row, column) < 40))[..., None].astype(np.uint8)


def named(slices: np.ndarray, frame: Frame = FRAME, confidence: float | None = None) -> dict[str, float]:
    channels = [f"c{number}" for number in range(slices.shape[3])]
    names = [measure.name for measure in catalogue.of(channels)]
    return dict(zip(names, measures.of(slices, frame, confidence), strict=True))


@pytest.mark.parametrize("noise", [2.0, 5.0, 12.0])
def test_noise_is_the_deviation_that_was_added(noise: float) -> None:
    assert named(head(noise))["noise:c0"] == pytest.approx(noise, rel=0.04)


def test_a_slope_without_noise_has_only_that_of_rounding() -> None:
    assert named(head())["noise:c0"] < 0.4


def test_a_blurred_scan_is_less_sharp() -> None:
    sharp = head(12.0)
    blurred = sharp.copy()
    blurred[:, 1:-1, 1:-1] = np.mean(
        [np.roll(sharp, (a, b), (1, 2))[:, 1:-1, 1:-1] for a in (-1, 0, 1) for b in (-1, 0, 1)], axis=0
    )
    assert named(blurred)["sharpness:c0"] < 0.6 * named(sharp)["sharpness:c0"]


def test_sizes_are_those_of_the_disc() -> None:
    own = named(head(), confidence=0.83)
    assert own["slice_distance_mm"] == 5.0
    assert own["pixel_mm"] == 0.9
    assert own["field_of_view_mm"] == pytest.approx(SIDE * 0.9)
    assert own["head_mm"] == pytest.approx(80 * np.sqrt(0.9 * 0.8), rel=0.01)
    assert own["head_share"] == pytest.approx(np.pi * 40**2 / SIDE**2, rel=0.01)
    assert (own["matrix"], own["slices"], own[CONFIDENCE]) == (SIDE, 6, 0.83)
    assert (own["brightness:c0"], own["contrast:c0"]) == (100, 0.2)


def test_correlation_is_numpy_s_and_copies_have_one() -> None:
    first, second = head(5.0, seed=1), head(5.0, seed=2)
    both = np.concatenate([first, second, first], axis=3)
    frame = Frame([1.0] * 3, [1.0] * 3, FRAME.box, SIDE, SIDE, None)
    own = named(both, frame)
    inside = both[:, ::2, ::2].any(axis=3)
    truth = np.corrcoef(first[:, ::2, ::2, 0][inside], second[:, ::2, ::2, 0][inside])[0, 1]
    assert own["correlation:c0:c1"] == pytest.approx(truth, rel=1e-4)
    assert own["correlation:c0:c2"] == 1


def test_skewness_is_scipy_s() -> None:
    from scipy import stats

    slices = head(5.0)
    assert named(slices)["skewness:c0"] == pytest.approx(stats.skew(slices[slices > 0]), rel=1e-4)


def test_what_a_scan_does_not_tell_is_not_known() -> None:
    own = named(head(), Frame([0.0], [20.0], FRAME.box, SIDE, SIDE, None))
    unknown = {name for name, value in own.items() if np.isnan(value)}
    mm = {"slice_distance_mm", "pixel_mm", "field_of_view_mm", "head_mm"}
    assert unknown == {*mm, "contrast:c0", CONFIDENCE}
    assert np.isnan(named(head(slices=1))["slice_distance_mm"])


@pytest.mark.parametrize("level", [0, 77])
def test_a_blank_and_a_constant_scan_are_measured_without_complaint(level: int) -> None:
    own = named(np.full((3, SIDE, SIDE, 1), level, np.uint8))
    assert np.isnan(own["skewness:c0"])
    assert own["slices"] == (3 if level else 0)


def test_empty_slices_above_and_below_change_nothing() -> None:
    """validate leaves them out of the store; a new scan has them."""
    slices = head(5.0, slices=20)
    padded = np.pad(slices, ((7, 4), (0, 0), (0, 0), (0, 0)))
    assert named(padded, confidence=0.5) == named(slices, confidence=0.5)


def test_the_catalogue_names_every_number_once() -> None:
    listed = catalogue.of(["a", "b", "c"])
    assert (
        len({measure.name for measure in listed}) == len({measure.title for measure in listed}) == len(listed)
    )
    assert len(listed) == len(measures.of(np.zeros((1, 8, 8, 3), np.uint8), _frame(3)))
    assert all(measure.higher and measure.lower for measure in listed)


def _frame(channels: int) -> Frame:
    return Frame([1.0] * channels, [1.0] * channels, Box(0, 0, 8, 8), 8, 8, None)


@pytest.mark.parametrize("crop", ["brain", "none"])
def test_the_store_and_predict_measure_the_same(tmp_path: Path, crop: Any) -> None:
    scans.write_lgg(tmp_path / "data" / "raw", patients=3, slices=12)
    paths = Paths(tmp_path)
    table = tables.from_records(lgg.find(paths.raw).records)
    tables.write(table, paths.validated)
    seen.write(np.zeros((len(table), seen.BYTES), np.uint8), paths.fingerprints)
    preprocess(Preprocess(size=graphs.SIZE, channels="all", crop=crop, jobs=1), paths)
    store = shards.open_store(paths.slices)
    rows = np.arange(len(store.index))
    names = [measure.name for measure in catalogue.of(store.meta.channels)]
    stored = known.patients(store, rows, {}).table(names)
    described = graphs.describe()
    described = described.model_copy(update={"scaling": described.scaling.model_copy(update={"crop": crop})})
    read = []
    for scan in discovery.find([paths.raw]).scans:
        volume = reading.read(scan, described.input)
        fitted, slices = segmenting.prepared(volume.voxels, 1.0, described)
        frame = Frame(fitted.mean, fitted.std, fitted.box, fitted.height, fitted.width, volume.spacing)
        read.append(measures.of(slices, frame))
    assert sorted(map(str, stored.tolist())) == sorted(map(str, np.array(read).tolist()))


def test_the_case_s_own_spacing_comes_back_from_the_frame_s() -> None:
    volume = np.pad(
        np.random.default_rng(0).integers(90, 200, (4, 50, 40, 1)), ((0, 0), (9, 8), (7, 6), (0, 0))
    )
    mm = Spacing(4.0, 1.1, 1.3)
    fitted = transform.fit(volume.astype(np.uint8), 32, True, mm.aspect)
    case = shards.CaseMeta(
        mean=list(fitted.mean),
        std=list(fitted.std),
        floor=fitted.floor,
        box=fitted.box,
        height=fitted.height,
        width=fitted.width,
        frame_spacing_mm=mm.scaled(*fitted.scale),
        spacing_known=True,
        label_pixels_outside_crop=0,
    )
    meta = shards.Meta(
        size=32, crop="brain", channels=["a"], classes={1: "t"}, regions={"t": [1]}, cases={"x": case}
    )
    frame = known.frame(shards.Store(meta, pd.DataFrame(), [], []), "x")
    assert frame.spacing == pytest.approx(mm)
