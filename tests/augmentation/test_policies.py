"""Augmentation: a function of its key, that keeps labels labels and the background 0."""

import hashlib
import json
import subprocess
import sys
import typing
from itertools import pairwise
from pathlib import Path

import albumentations as A
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.augmentation import policies, steps
from stages.core.errors import UserError
from stages.project.params import Augment
from tests.fixtures import stores

ROOT = Path(__file__).parents[2]
POLICIES = ["light", "default", "strong"]
SEQUENCES = ["pre", "flair", "post"]
IMAGES, MASKS = stores.arrays(2)
IMAGE, MASK = IMAGES[1], 3 * MASKS[1] + (IMAGES[1, ..., 0] > 190)  # labels 0, 1, 3 and 4


def augmented(policy: A.Compose, key: tuple[int, ...], channels: int = 3) -> tuple[np.ndarray, np.ndarray]:
    image = np.concatenate([IMAGE] * (channels // 3 + 1), axis=2)[..., :channels]
    return changed(policy, np.ascontiguousarray(image), MASK.copy(), key)


def changed(
    policy: A.Compose, image: np.ndarray, mask: np.ndarray, key: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """A slice (H, W, C) as the only one of a window."""
    window, mask = policies.apply(policy, image[None], mask, key)
    return window[0], mask


def certain(step: A.BasicTransform) -> A.Compose:
    step.p = 1.0
    return A.Compose([step], seed=0)


def test_params_may_name_each_of_them() -> None:
    assert typing.get_args(Augment.model_fields["policy"].annotation) == tuple(policies.POLICIES)


@pytest.mark.parametrize("policy", POLICIES)
@settings(max_examples=40)
@given(key=st.tuples(*[st.integers(0, 2**32 - 1)] * 3), history=st.lists(st.integers(0, 9), max_size=3))
def test_the_key_alone_decides(policy: str, key: tuple[int, int, int], history: list[int]) -> None:
    fresh, used = policies.build(policy, []), policies.build(policy, [])
    for past in history:
        augmented(used, (past,), channels=past % 3 + 1)
    np.random.seed(len(history))  # noqa: NPY002 (nothing global may matter)
    for one, other in zip(augmented(fresh, key), augmented(used, key), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("policy", POLICIES)
def test_neighbouring_keys_draw_differently(policy: str) -> None:
    built = policies.build(policy, SEQUENCES)
    keys = [(seed, epoch, sample) for seed in range(2) for epoch in range(4) for sample in range(8)]
    drawn = {augmented(built, key)[0].tobytes() for key in keys}
    assert len(drawn) > len(keys) / 3
    assert augmented(built, (1, 2, 4))[0].tobytes() != augmented(built, (4, 2, 1))[0].tobytes()


def test_steps_come_and_go_on_their_own() -> None:
    both = A.Compose([A.HorizontalFlip(p=0.5), A.VerticalFlip(p=0.5)], seed=0)
    drawn = [augmented(both, (k,))[0].tobytes() for k in range(80)]
    assert len(set(drawn)) == 4
    assert all(drawn.count(one) > 8 for one in set(drawn))


def digest(policy: str) -> str:
    """Of twenty slices augmented by a policy."""
    built = policies.build(policy, SEQUENCES)
    arrays = [array.tobytes() for k in range(20) for array in augmented(built, (5, k))]
    return hashlib.sha256(b"".join(arrays)).hexdigest()


def test_another_process_draws_the_same() -> None:
    code = "from tests.augmentation import test_policies as t; print(t.digest('strong'))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == digest("strong")


@pytest.mark.parametrize("channels", [1, 3, 4, 9, 33])
@pytest.mark.parametrize("policy", ["none", *POLICIES])
def test_labels_get_no_new_values_and_shapes_stay(policy: str, channels: int) -> None:
    built = policies.build(policy, [*SEQUENCES, *map(str, range(channels))][:channels])
    for k in range(25):
        image, mask = augmented(built, (0, 0, k), channels)
        assert image.shape == (32, 32, channels)
        assert mask.shape == (32, 32)
        assert image.dtype == mask.dtype == np.uint8
        assert set(np.unique(mask)) <= set(np.unique(MASK))


@pytest.mark.parametrize("sequences", [1, 3])  # OpenCV rounds two channels in a way of its own
@pytest.mark.parametrize("policy", POLICIES)
def test_neighbouring_slices_change_as_the_slice_does(policy: str, sequences: int) -> None:
    """What a slice of so many sequences becomes, it becomes among its neighbours too."""
    built = policies.build(policy, SEQUENCES[:sequences])
    slices = np.ascontiguousarray(IMAGE[..., :sequences])
    for k in range(40):
        alone, mask = changed(built, slices, MASK, (k,))
        among, same = policies.apply(built, np.stack([slices] * 3), MASK, (k,))
        np.testing.assert_array_equal(among, np.stack([alone] * 3))
        np.testing.assert_array_equal(same, mask)


@pytest.mark.parametrize("policy", POLICIES)
def test_each_slice_of_a_window_keeps_its_place(policy: str) -> None:
    """Of a blank slice nothing comes of it, wherever in the window it lies."""
    built = policies.build(policy, SEQUENCES)
    for blank in range(3):
        window = np.stack([IMAGE] * 3)
        window[blank] = 0
        for k in range(20):
            lit = policies.apply(built, window, MASK, (k,))[0].any(axis=(1, 2, 3))
            assert lit.tolist() == [place != blank for place in range(3)]


@pytest.mark.parametrize("channels", [1, 3, 4, 9])
def test_affine_gives_the_pixels_of_albumentations(channels: int) -> None:
    ours = steps.Affine(
        rotate=(-30, 30), translate_percent=(-0.1, 0.1), scale=(0.8, 1.2), keep_ratio=True, p=1
    )
    theirs = A.Affine(**ours.get_transform_init_args() | {"p": 1})
    for k in range(40):
        drawn = [augmented(A.Compose([step], seed=0), (k,), channels) for step in (ours, theirs)]
        for one, other in zip(*drawn, strict=True):
            np.testing.assert_array_equal(one, other)


STEPS = [step for policy in POLICIES for step in policies.build(policy, SEQUENCES).transforms]
COLOURS = [step for step in STEPS if isinstance(step, A.ImageOnlyTransform)]


def test_no_policy_lights_up_an_empty_slice() -> None:
    blank = np.zeros_like(IMAGE)
    for policy in POLICIES:
        for k in range(60):
            image, _ = changed(policies.build(policy, SEQUENCES), blank, MASK, (k,))
            assert not image.any()


def named(step: A.BasicTransform) -> str:
    return type(step).__name__


@pytest.mark.parametrize("step", COLOURS, ids=named)
def test_what_changes_brightness_leaves_background_and_labels_alone(step: A.BasicTransform) -> None:
    built = certain(step)
    changed = 0
    for k in range(40):
        image, mask = augmented(built, (k,))
        assert not image[IMAGE == 0].any()
        np.testing.assert_array_equal(mask, MASK)
        changed += not np.array_equal(image, IMAGE)
    assert changed > 30


@pytest.mark.parametrize("step", [step for step in STEPS if step not in COLOURS], ids=named)
def test_what_moves_the_head_moves_its_labels_with_it(step: A.BasicTransform) -> None:
    """A picture of the labels moves as the labels do."""
    built = certain(step)
    tumour = (MASK == 3).astype(np.uint8)
    picture = np.repeat(200 * tumour[..., None], 3, axis=2)
    moved = 0
    for k in range(40):
        image, mask = changed(built, picture.copy(), tumour.copy(), (k,))
        shown, labelled = image[..., 0] > 100, mask > 0
        assert 2 * (shown & labelled).sum() >= 0.85 * (shown.sum() + labelled.sum())
        moved += not np.array_equal(mask, tumour)
    assert moved > 10


@pytest.mark.parametrize(("gain", "gamma"), [(0.2, 0.4), (0.3, 0.6)])
def test_scanner_contrast_is_one_rising_curve_for_each_channel(gain: float, gamma: float) -> None:
    built = certain(steps.ScannerContrast(gain, gamma))
    ramp = np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, axis=2)
    levels = np.arange(256) / 255
    for k in range(50):
        image, _ = changed(built, ramp, np.zeros((16, 16), np.uint8), (k,))
        curves = image.reshape(256, 3).astype(int)
        assert not curves[0].any()
        assert (curves[1:] >= 1).all()
        assert (np.diff(curves, axis=0) >= 0).all()
        assert (curves <= 255 * (1 + gain) * levels[:, None] ** 2**-gamma + 1).all()
        assert (curves >= np.minimum(255 * (1 - gain) * levels[:, None] ** 2**gamma - 1, 255)).all()
        assert any(not np.array_equal(one, other) for one, other in pairwise(curves.T))


def test_a_bias_field_is_smooth_and_the_same_for_all_channels() -> None:
    built = certain(steps.BiasField(0.3))
    flat = np.full((64, 64, 3), 100, np.uint8)
    for k in range(30):
        image, _ = changed(built, flat, np.zeros((64, 64), np.uint8), (k,))
        assert (image == image[..., :1]).all()
        shading = image[..., 0].astype(int)
        assert np.abs(shading - 100).max() <= 30 * 1.9 + 1  # a cubic between nodes of at most 30 %
        assert np.abs(np.diff(shading, axis=0)).max() <= 8
        assert shading.std() > 2


def sources(image: np.ndarray) -> tuple[int, ...]:
    """Which channel of `IMAGE` each of three channels is a copy of."""
    return tuple(
        next(other for other in range(3) if np.array_equal(image[..., channel], IMAGE[..., other]))
        for channel in range(3)
    )


def test_lost_sequences_are_copies_of_the_one_that_is_kept() -> None:
    built = certain(steps.CopiedSequence())
    drawn = {sources(augmented(built, (k,))[0]) for k in range(80)}
    one_lost = {(1, 1, 2), (2, 1, 2), (0, 0, 2), (0, 2, 2), (0, 1, 0), (0, 1, 1)}
    assert drawn == one_lost | {(0, 0, 0), (1, 1, 1), (2, 2, 2)}
    np.testing.assert_array_equal(augmented(built, (0,), channels=1)[0], IMAGE[..., :1])


def test_a_sequence_may_be_named_that_is_always_kept() -> None:
    built = certain(steps.CopiedSequence(kept=1))
    assert {sources(augmented(built, (k,))[0]) for k in range(40)} == {(1, 1, 2), (0, 1, 1), (1, 1, 1)}
    np.testing.assert_array_equal(
        augmented(certain(steps.CopiedSequence(kept=0)), (0,), channels=1)[0], IMAGE[..., :1]
    )


@pytest.mark.parametrize(
    ("sequences", "kept"), [(SEQUENCES, 1), (["FLAIR", "T1w"], 0), (["t1", "t2"], None), (["gray"], None)]
)
def test_flair_stands_in_for_what_was_not_acquired(sequences: list[str], kept: int | None) -> None:
    for policy in ("default", "strong"):
        steps_of = policies.build(policy, sequences).transforms
        (copied,) = [step for step in steps_of if isinstance(step, steps.CopiedSequence)]
        assert copied.kept == kept


@pytest.mark.parametrize("policy", ["default", "strong"])
def test_copies_are_exact_as_those_of_real_sets_are(policy: str) -> None:
    """Of sequences that differ, with every other step of the policy at work."""
    built = policies.build(policy, SEQUENCES)
    for step in built.transforms:
        if not isinstance(step, steps.MissingSequence | A.HorizontalFlip):
            step.p = 1.0
    missing = [step for step in built.transforms if isinstance(step, steps.MissingSequence)]
    for step in missing:
        step.p = 0.0
    for k in range(20):
        image, _ = augmented(built, (k,))
        assert any(np.array_equal(image[..., 1], image[..., other]) for other in (0, 2))


def test_only_one_of_several_sequences_goes_missing() -> None:
    built = certain(steps.MissingSequence())
    missing = set()
    for k in range(30):
        image, _ = augmented(built, (k,))
        blank = [channel for channel in range(3) if not image[..., channel].any()]
        assert len(blank) == 1
        kept = [channel for channel in range(3) if channel not in blank]
        np.testing.assert_array_equal(image[..., kept], IMAGE[..., kept])
        missing.update(blank)
        np.testing.assert_array_equal(augmented(built, (k,), channels=1)[0], IMAGE[..., :1])
    assert missing == {0, 1, 2}


@pytest.mark.parametrize("policy", ["none", *POLICIES])
def test_a_saved_policy_acts_as_the_one_that_was_built(tmp_path: Path, policy: str) -> None:
    built = policies.build(policy, SEQUENCES)
    policies.save(built, tmp_path / "policy.json")
    loaded = policies.load(tmp_path / "policy.json")
    for k in range(40):
        for one, other in zip(augmented(built, (7, k)), augmented(loaded, (7, k)), strict=True):
            np.testing.assert_array_equal(one, other)
    policies.save(loaded, tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "policy.json").read_bytes()
    assert A.__version__ not in (tmp_path / "policy.json").read_text()


def test_a_missing_policy(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        policies.load(tmp_path / "policy.json")
    assert str(error.value) == f"{tmp_path}/policy.json does not exist; `dvc repro augment` makes it"


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '"x"', '{"transform": {"__class_fullname__": "os.system", "p": 1}}', '{"transform": 3}'],
)
def test_a_file_that_is_no_policy(tmp_path: Path, content: str) -> None:
    (tmp_path / "policy.json").write_text(content)
    with pytest.raises(UserError) as error:
        policies.load(tmp_path / "policy.json")
    wanted = f"{tmp_path}/policy.json is not an augmentation policy; run `dvc repro --force augment`"
    assert str(error.value) == wanted


def test_a_policy_with_an_impossible_setting(tmp_path: Path) -> None:
    policies.save(policies.build("light", []), tmp_path / "policy.json")
    described = json.loads((tmp_path / "policy.json").read_text())
    described["transform"]["transforms"][0]["p"] = 7
    (tmp_path / "policy.json").write_text(json.dumps(described))
    with pytest.raises(UserError, match="is not an augmentation policy"):
        policies.load(tmp_path / "policy.json")


def test_ghosts_lie_at_even_distances_along_one_axis() -> None:
    """What a bright spot adds elsewhere is its ghosts."""
    built = certain(steps.Ghosting((3, 3), 0.3))
    image = np.full((32, 32, 3), 50, np.uint8)
    image[5, 7] = 250
    seen = set()
    for k in range(30):
        ghosted, _ = changed(built, image, np.zeros((32, 32), np.uint8), (k,))
        assert (ghosted == ghosted[..., :1]).all()
        brighter = {(int(row), int(column)) for row, column in np.argwhere(ghosted[..., 0] > 50)}
        assert brighter in (
            {(5, 7), (13, 7), (21, 7), (29, 7)},
            {(5, 7), (5, 15), (5, 23), (5, 31)},
        )
        assert ghosted[5, 7, 0] < 250
        seen.add(frozenset(brighter))
    assert len(seen) == 2
