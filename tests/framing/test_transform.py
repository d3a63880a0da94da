"""Into the store's frame and back: against independent resampling, and on scans of any shape."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.formats.reader import Reader
from stages.framing import head, transform
from stages.framing.transform import CaseTransform
from stages.scan.box import Box
from stages.sources import lgg
from tests.fixtures import scans


def square(top: int, left: int, side: int) -> Box:
    return Box(top, left, side, side)


def framed(box: Box, height: int, width: int, size: int) -> CaseTransform:
    return CaseTransform((100.0,), (30.0,), 10.0, box, height, width, size)


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return 2 * np.count_nonzero(one & other) / (np.count_nonzero(one) + np.count_nonzero(other))


def there_and_back(masks: np.ndarray, frame: CaseTransform) -> np.ndarray:
    stored = transform.labels(masks, frame)
    return transform.restore((stored > 0)[..., None].astype(np.float32), frame)[..., 0] > 0.5


@pytest.fixture(scope="module")
def real(lgg_folder: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Volumes (S, 256, 256, 3) and masks (S, 256, 256) of 0 and 1."""
    found: dict[str, tuple[list[np.ndarray], list[np.ndarray]]] = {}
    reader = Reader(lgg_folder)
    for record in lgg.find(lgg_folder).records:
        volume, masks = found.setdefault(record.case_id, ([], []))
        volume.append(reader.image(record.image, record.slice))
        masks.append((reader.mask(record.mask, record.slice) > 0).astype(np.uint8))
    return {case: (np.stack(volume), np.stack(masks)) for case, (volume, masks) in found.items()}


@pytest.mark.parametrize("size", [64, 128, 192, 256])
@pytest.mark.parametrize("crop", [True, False])
def test_real_labels_survive_the_way_to_the_store_and_back(
    real: dict[str, tuple[np.ndarray, np.ndarray]], size: int, crop: bool
) -> None:
    for volume, masks in real.values():
        frame = transform.fit(volume, size, crop)
        stored = transform.labels(masks, frame)
        assert stored.shape == (len(masks), size, size)
        # At the round factors of an uncropped image many pixels are half covered, and go to the tumour.
        slack = 0.03 if crop else 0.08
        scale = frame.scale[0]
        assert np.count_nonzero(stored) * scale**2 == pytest.approx(np.count_nonzero(masks), rel=slack)
        back = there_and_back(masks, frame)
        assert back.shape == masks.shape
        assert dice(back, masks > 0) > 1 - 0.03 * max(scale, 1)


def test_a_real_head_is_in_the_box_and_little_else_is(real: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    for volume, masks in real.values():
        frame = transform.fit(volume, 128, crop=True)
        top, left, side, _ = frame.box
        assert 100 < side <= 256
        inside = np.zeros((256, 256), bool)
        inside[max(top, 0) : top + side, max(left, 0) : left + side] = True
        assert not masks[:, ~inside].any()
        head = volume.mean(axis=3) > 40
        assert head[:, inside].sum() > 0.995 * head.sum()


@pytest.mark.long
def test_real_intensities_are_scaled_by_case_and_the_air_is_zero(
    real: dict[str, tuple[np.ndarray, np.ndarray]],
) -> None:
    for volume, _ in real.values():
        frame = transform.fit(volume, 256, crop=False)
        stored = transform.images(volume, frame)
        shown = head.mask(volume, frame.floor)
        assert 0.1 < shown.mean() < 0.9
        assert not stored[~shown].any()
        assert stored[shown].min() >= 1
        # 0 is level 128 of 1..255, one standard deviation is 31.75 levels
        level = 1 + 254 * (np.clip((volume - np.array(frame.mean)) / np.array(frame.std), -4, 4) + 4) / 8
        assert np.abs(stored[shown] - level[shown]).max() <= 0.51
        tissue = shown & (volume.mean(axis=3) > frame.floor)
        assert np.abs(stored[tissue].mean(axis=0) - 128).max() < 4


def test_dark_cavities_belong_to_the_head_and_noisy_air_does_not() -> None:
    rng = np.random.default_rng(0)
    row, column = np.mgrid[:192, :192] - 96
    inside = np.hypot(row / 80, column / 65) < 1
    cavity = np.hypot(row / 25, (column - 10) / 12) < 1
    clean = np.where(inside & ~cavity, 120.0, 0.0)
    noisy = np.abs(clean + rng.normal(0, 12, (6, 192, 192)))  # air of 10 on average, single pixels above 40
    volume = np.repeat(noisy[..., None], 3, axis=3).astype(np.float32)
    frame = transform.fit(volume, 192, crop=True)
    found = head.mask(volume, frame.floor)
    assert noisy[:, ~inside].max() > frame.floor, "else this test shows nothing"
    assert found[:, cavity].all()
    assert found[:, inside].mean() > 0.999
    far = np.hypot(row / 92, column / 77) > 1  # more than two blocks away
    assert not found[:, far].any()
    top, left, side, _ = frame.box
    assert 160 <= side <= 175
    assert abs(top + side / 2 - 96) <= 4
    assert abs(left + side / 2 - 96) <= 4


def test_a_lone_bright_spot_is_no_head() -> None:
    volume = scans.volume(3, 128)[0].copy()
    volume[:, 2:4, 2:4] = 255  # one block
    frame = transform.fit(volume, 64, crop=True)
    assert not head.mask(volume, frame.floor)[:, :8, :8].any()
    assert frame.box[0] > 4


@pytest.mark.parametrize("gain", [0.25, 3.0, 1000.0])
@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32, np.float64])
def test_units_of_the_scan_do_not_reach_the_store(gain: float, dtype: type) -> None:
    volume = scans.volume(4, 96)[0].astype(np.float64)
    one = transform.images(volume, transform.fit(volume, 64, True))
    other: np.ndarray = (volume * gain).astype(np.uint32 if dtype is np.uint16 and gain > 250 else dtype)
    again = transform.images(other, transform.fit(other, 64, True))
    tolerance = 3 if gain < 1 and np.issubdtype(dtype, np.integer) else 1  # whole numbers lose two bits
    assert np.mean(np.abs(one.astype(int) - again) <= tolerance) > 0.995


@pytest.mark.parametrize("factor", [1, 2, 3, 4])
def test_shrinking_by_a_whole_factor_is_area_averaging(factor: int) -> None:
    """Against OpenCV's INTER_AREA."""
    size = 32
    volume = (
        np.random.default_rng(0).uniform(20, 200, (3, size * factor, size * factor, 1)).astype(np.float32)
    )
    frame = framed(square(0, 0, size * factor), size * factor, size * factor, size)
    levels = 1 + 254 * (np.clip((volume - 100) / 30, -4, 4) + 4) / 8
    wanted = [cv2.resize(level, (size, size), interpolation=cv2.INTER_AREA) for level in levels]
    assert np.abs(transform.images(volume, frame)[..., 0] - np.stack(wanted)).max() <= 0.51


@pytest.mark.parametrize("factor", [2, 3])
def test_enlarging_is_linear(factor: int) -> None:
    """Against OpenCV's INTER_LINEAR, whose pixel centres are ours."""
    probabilities = np.random.default_rng(0).uniform(0, 1, (2, 32, 32, 1)).astype(np.float32)
    frame = framed(square(0, 0, 32 * factor), 32 * factor, 32 * factor, 32)
    wanted = [
        cv2.resize(one, (32 * factor, 32 * factor), interpolation=cv2.INTER_LINEAR) for one in probabilities
    ]
    np.testing.assert_allclose(transform.restore(probabilities, frame)[..., 0], wanted, atol=1e-5)


def covered(length: int, size: int, start: int, span: int) -> np.ndarray:
    """(size, length): what share of a target pixel each source pixel covers, by counting pieces."""
    pieces = 840  # of a target pixel
    at = start + (np.arange(size * pieces) + 0.5) * span / (size * pieces)
    share = np.zeros((size, length))
    for target, source in zip(np.arange(size * pieces) // pieces, np.floor(at).astype(int), strict=True):
        if 0 <= source < length:
            share[target, source] += 1 / pieces
    return share


@settings(max_examples=25)
@given(
    length=st.integers(4, 40),
    start=st.integers(-12, 12),
    span=st.integers(8, 45),
    size=st.integers(4, 8),
    seed=st.integers(0, 99),
)
def test_any_shrinking_averages_what_a_pixel_covers_and_nothing_lies_beyond_the_image(
    length: int, start: int, span: int, size: int, seed: int
) -> None:
    mask = np.random.default_rng(seed).integers(0, 2, (1, length, length)).astype(np.uint8)
    frame = framed(square(start, start, span), length, length, size)
    matrix = covered(length, size, start, span)
    share = matrix @ mask[0] @ matrix.T
    clear = np.abs(share - 0.5) > 0.01
    np.testing.assert_array_equal(transform.labels(mask, frame)[0][clear], (share > 0.5)[clear])


@settings(max_examples=40)
@given(
    height=st.integers(20, 90),
    width=st.integers(20, 90),
    size=st.sampled_from([32, 64, 96]),
    crop=st.booleans(),
    seed=st.integers(0, 10**6),
)
def test_a_blob_in_any_scan_comes_back_where_it_was(
    height: int, width: int, size: int, crop: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    row, column = np.mgrid[:height, :width]
    at, radius = (rng.uniform(8, height - 8), rng.uniform(8, width - 8)), rng.uniform(5, 7)
    blob = (row - at[0]) ** 2 + (column - at[1]) ** 2 < radius**2
    volume = rng.uniform(0, 3, (2, height, width, 2))
    volume[0, blob] += 100
    frame = transform.fit(volume, size, crop)
    masks = np.stack([blob, np.zeros_like(blob)]).astype(np.uint8)
    back = there_and_back(masks, frame)
    assert back.shape == masks.shape
    assert not back[1].any()
    if frame.scale[0] < 1.5:
        assert dice(back[0], blob) > 0.85
    if back[0].any():
        centres = [np.argwhere(mask).mean(axis=0) for mask in (back[0], blob)]
        assert centres[0] == pytest.approx(centres[1], abs=0.6 * max(frame.scale[0], 1))


def test_a_tall_head_gets_a_square_that_reaches_over_the_edge_and_beyond_it_is_background() -> None:
    volume = np.zeros((2, 60, 20, 1), np.float32)
    volume[:, 4:56, 2:18] = np.random.default_rng(0).uniform(80, 120, (2, 52, 16, 1))
    frame = transform.fit(volume, 52, crop=True)
    assert frame.box == square(4, -16, 52)
    stored = transform.images(volume, frame)
    assert (stored[:, :, 18:34] > 0).all()
    assert not stored[:, :, :18].any()
    assert not stored[:, :, 34:].any()
    back = transform.restore(np.ones((2, 52, 52, 1), np.float32), frame)
    assert back.shape == (2, 60, 20, 1)
    np.testing.assert_allclose(back[:, 4:56], 1, atol=1e-6)
    assert not back[:, :4].any()
    assert not back[:, 56:].any()


def test_specks_of_noise_do_not_widen_the_crop() -> None:
    volume = np.zeros((3, 200, 200, 1), np.float32)
    volume[:, 60:140, 60:140] = 100
    volume[0, 5, 5] = volume[2, 190, 8] = 150
    top, left, side, _ = transform.fit(volume, 64, crop=True).box
    assert abs(top - 60) <= 2
    assert abs(left - 60) <= 2
    assert abs(side - 80) <= 3


@pytest.mark.parametrize("level", [0.0, 77.0])
def test_a_case_without_any_head_is_kept_in_one_piece(level: float) -> None:
    volume = np.full((2, 40, 60, 3), level, np.float32)
    frame = transform.fit(volume, 32, crop=True)
    assert frame.box == square(-10, 0, 60)
    assert (frame.mean, frame.std) == ((0.0,) * 3, (1.0,) * 3)
    assert not transform.images(volume, frame).any()


def test_outliers_do_not_set_the_scale() -> None:
    volume = np.zeros((4, 64, 64, 1), np.float32)
    volume[:, 8:56, 8:56] = np.random.default_rng(0).normal(100, 10, (4, 48, 48, 1))
    clean = transform.fit(volume, 64, True)
    volume[1, 20:23, 20:23] = 5000
    spoilt = transform.fit(volume, 64, True)
    assert spoilt.mean[0] == pytest.approx(clean.mean[0], rel=0.02)
    assert spoilt.std[0] == pytest.approx(clean.std[0], rel=0.1)


@settings(max_examples=30)
@given(
    seed=st.integers(0, 10**6), size=st.sampled_from([32, 64]), values=st.sets(st.integers(1, 4), min_size=1)
)
def test_labels_are_never_invented_and_the_largest_share_wins(seed: int, size: int, values: set[int]) -> None:
    rng = np.random.default_rng(seed)
    coarse = rng.choice([0, *values], (2, 8, 8)).astype(np.uint8)
    masks = np.kron(coarse, np.ones((1, 16, 16), np.uint8))
    frame = framed(square(0, 0, 128), 128, 128, size)
    stored = transform.labels(masks, frame)
    np.testing.assert_array_equal(
        stored, masks[:, :: 128 // size, :: 128 // size]
    )  # blocks align: nothing is mixed
    shifted = transform.labels(masks, framed(square(3, 5, 110), 128, 128, size))
    assert set(np.unique(shifted)) <= {0, *values}


def test_channels_are_picked_by_position_or_averaged() -> None:
    volume = np.random.default_rng(0).integers(0, 255, (2, 5, 6, 3)).astype(np.uint8)
    np.testing.assert_array_equal(transform.to_channels(volume, [2, 0]), volume[..., [2, 0]])
    np.testing.assert_array_equal(transform.to_channels(volume, [0, 1, 2]), volume)
    np.testing.assert_array_equal(transform.to_channels(volume, [0]), volume[..., :1])
    np.testing.assert_allclose(transform.to_channels(volume, None)[..., 0], volume.mean(axis=3), atol=1e-4)


def test_a_case_that_is_all_but_constant_has_no_head() -> None:
    """A range of a few float32 steps cannot be cut into the histogram's bins."""
    volume = np.full((2, 64, 64, 1), 1000, np.float32)
    volume[0, 3, 4] = np.nextafter(np.float32(1000), np.float32(2000))
    frame = transform.fit(volume, 32, crop=True)
    assert frame.box == square(0, 0, 64)
    assert not transform.images(volume, frame).any()
