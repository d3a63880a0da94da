"""Levels, thresholds and the choices made on validation."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.core.errors import UserError
from stages.masks import levels
from stages.masks.levels import LEVELS
from stages.scan.spacing import Spacing
from stages.scoring import decision, overlap
from stages.scoring.decision import Decision, Scored

MM = Spacing(1.0, 1.0, 1.0)


def case(
    probabilities: np.ndarray, truth: np.ndarray, case_id: str = "a", spacing: Spacing = MM
) -> decision.Scored:
    """One region; arrays (S, H, W)."""
    quantised = levels.quantise(np.asarray(probabilities, dtype=np.float32))[:, None]
    truth = np.asarray(truth, dtype=bool)[:, None]
    return Scored(case_id, case_id, quantised, truth, spacing, np.arange(len(truth)))


class Cases(list):
    """Cases that no store is asked about."""

    def map(self, task: Callable[..., Any]) -> Iterator[Any]:
        return (task(case, None) for case in self)


def choose(
    by_tta: Any, threshold: Any = "auto", postprocess: Any = "none", regions: Sequence[str] = ("tumour",)
) -> Any:
    held = {tta: Cases(cases) for tta, cases in by_tta.items()}
    return decision.choose(held, list(regions), threshold, postprocess)


def keep_all(threshold: float) -> decision.Decision:
    return Decision(
        threshold={"tumour": threshold}, tta="none", smallest_component_ml={"tumour": 0.0}, val_dice=0.0
    )


def around(threshold: float) -> np.ndarray:
    """float32 numbers at, just below and just above a threshold."""
    here = [np.float32(threshold)]
    for towards in (0, 2):
        number = here[0]
        for _ in range(5):
            number = np.nextafter(number, np.float32(towards))
            here.append(number)
    return np.clip(np.array(here, dtype=np.float32), 0, 1)


@pytest.mark.parametrize("step", range(1, LEVELS))
def test_levels_compare_as_the_probabilities_themselves(step: int) -> None:
    threshold = step / LEVELS
    probabilities = around(threshold)
    expected = probabilities.astype(np.float64) >= threshold
    assert expected.any()
    assert not expected.all()
    mask = keep_all(threshold).mask(levels.quantise(probabilities)[:, None, None], "tumour", 0.001)
    np.testing.assert_array_equal(mask[:, 0, 0], expected)


@settings(max_examples=200)
@given(st.floats(0, 1, width=32), st.sampled_from(decision.THRESHOLDS))
def test_any_probability_compares_right_with_the_thresholds_tried(
    probability: float, threshold: float
) -> None:
    level = levels.quantise(np.array([[[probability]]], dtype=np.float32))
    assert bool(keep_all(threshold).mask(level, "tumour", 1)[0, 0, 0]) == (probability >= threshold)


def test_levels_reach_both_ends() -> None:
    np.testing.assert_array_equal(levels.quantise(np.array([0, 1], dtype=np.float32)), [0, LEVELS])


def planted(best: float, seed: int = 0, size: int = 40) -> decision.Scored:
    """A case whose Dice is perfect at `best` and wrong at every other threshold tried."""
    random = np.random.default_rng(seed)
    truth = np.zeros((2, size, size), bool)
    truth[:, 10:30, 10:30] = True
    above = random.uniform(best + 0.001, best + 0.049, truth.shape)
    below = random.uniform(best - 0.049, best - 0.001, truth.shape)
    return case(np.where(truth, above, below), truth)


@pytest.mark.parametrize("best", [0.1, 0.35, 0.5, 0.85])
def test_finds_a_planted_threshold(best: float) -> None:
    found = choose({"none": [planted(best)]})
    assert found.threshold == {"tumour": best}
    assert found.val_dice == 1


def test_each_region_has_its_own_threshold() -> None:
    low, high = planted(0.2), planted(0.8)
    both = Scored(
        "a",
        "a",
        np.concatenate([low.levels, high.levels], 1),
        np.concatenate([low.truth, high.truth], 1),
        MM,
        low.rows,
    )
    found = choose({"none": [both]}, regions=["whole", "core"])
    assert found.threshold == {"whole": 0.2, "core": 0.8}


def test_of_equal_thresholds_the_one_nearest_to_a_half() -> None:
    truth = np.zeros((1, 8, 8), bool)
    truth[0, :4] = True
    assert choose({"none": [case(np.where(truth, 0.99, 0.01), truth)]}).threshold == {"tumour": 0.5}
    assert choose({"none": [case(np.where(truth, 0.41, 0.01), truth)]}).threshold == {"tumour": 0.4}


def test_a_fixed_threshold_is_kept_though_another_is_better() -> None:
    found = choose({"none": [planted(0.3)]}, threshold=0.7)
    assert found.threshold == {"tumour": 0.7}
    assert found.val_dice == 0


def speckled(speck: int, spacing: Spacing = MM) -> decision.Scored:
    """A lesion of 8 ml (at 1 mm) and a false alarm of `speck` voxels."""
    truth = np.zeros((20, 40, 40), bool)
    truth[:, 5:25, 5:25] = True
    probabilities = np.where(truth, 0.9, 0.1).astype(np.float32)
    probabilities[0, 35].flat[:speck] = 0.9
    return case(probabilities, truth, spacing=spacing)


def test_finds_the_smallest_component_that_pays_and_measures_it_in_ml() -> None:
    # 40 voxels of 8 mm3 are 0.32 ml: only the 1 ml rule removes them.
    loud = [speckled(40, spacing=Spacing(2.0, 2.0, 2.0)) for _ in range(2)]
    assert choose({"none": loud}, postprocess="auto").smallest_component_ml == {"tumour": 1.0}
    # The same voxels of 1 mm3 are 0.04 ml: the gentlest rule does.
    assert choose({"none": [speckled(40)]}, postprocess="auto").smallest_component_ml == {"tumour": 0.1}


def test_a_component_rule_must_pay() -> None:
    gain = 1 - overlap.dice(overlap.Counts(8000, 8020, 8000))
    assert gain < decision.MIN_GAIN
    assert choose({"none": [speckled(20)]}, postprocess="auto").smallest_component_ml == {"tumour": 0.0}
    assert choose({"none": [speckled(20)]}, postprocess=0.3).smallest_component_ml == {"tumour": 0.3}
    assert choose({"none": [speckled(40)]}, postprocess="none").smallest_component_ml == {"tumour": 0.0}


@pytest.mark.parametrize(("spacing", "kept"), [(MM, False), (Spacing(5.0, 1.0, 1.0), True)])
def test_the_mask_drops_components_by_volume(spacing: Spacing, kept: bool) -> None:
    rule = Decision(
        threshold={"tumour": 0.5}, tta="none", smallest_component_ml={"tumour": 0.1}, val_dice=0.0
    )
    one = speckled(30, spacing)  # 0.03 ml or 0.15 ml
    mask = rule.mask(one.levels[:, 0], "tumour", one.voxel_ml)
    assert bool(mask[0, 35, 0]) is kept
    assert mask[:, 5:25, 5:25].all()


def test_flips_are_chosen_only_where_they_pay() -> None:
    worse, better = speckled(40), speckled(0)
    assert choose({"none": [worse], "flip": [better]}).tta == "flip"
    assert choose({"none": [better], "flip": [worse]}).tta == "none"
    assert choose({"none": [speckled(20)], "flip": [better]}).tta == "none"
    assert choose({"flip": [worse]}).tta == "flip"


def test_val_dice_is_the_mean_over_cases_of_the_masks_chosen() -> None:
    cases = [planted(0.3, seed) for seed in range(3)] + [speckled(40)]
    found = choose({"none": cases}, postprocess="auto")
    by_hand = [
        overlap.dice(overlap.count(found.mask(one.levels[:, 0], "tumour", one.voxel_ml), one.truth[:, 0]))
        for one in cases
    ]
    assert found.val_dice == pytest.approx(np.mean(by_hand), abs=1e-6)


def test_decision_json(tmp_path: Path) -> None:
    path = tmp_path / "decision.json"
    with pytest.raises(UserError) as missing:
        decision.read(path)
    assert str(missing.value) == f"{path} does not exist; `dvc repro evaluate` makes it"
    path.write_text('{"threshold": {"tumour": 0.5}', encoding="utf-8")
    with pytest.raises(UserError) as damaged:
        decision.read(path)
    assert str(damaged.value) == f"{path} is damaged; run `dvc repro --force evaluate`"
    path.write_text(json.dumps(asdict(keep_all(0.35))), encoding="utf-8")
    assert decision.read(path) == keep_all(0.35)
