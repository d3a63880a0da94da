"""Which experiments make a cross-validation, and what their joint model says of itself."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core.errors import UserError
from stages.experiments import crossvalidation, ensemble, experiment
from stages.masks import levels
from stages.project.params import Params
from tests.fixtures import graphs

SHIPPED = Path(__file__).parents[2] / "params.yaml"


@dataclass
class Tried:
    """An experiment of which only params are asked."""

    name: str
    words: tuple[str, ...]

    def params(self) -> Params:
        return experiment.resolved(list(self.words), SHIPPED)


def tried(name: str, fold: int, *more: str, folds: int = 3) -> Tried:
    return Tried(name, (f"split.folds={folds}", f"split.fold={fold}", *more))


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> list[Tried]:
    """The experiments of the commit; to be filled."""
    found: list[Tried] = []
    monkeypatch.setattr(experiment, "base", lambda: None)
    monkeypatch.setattr(experiment, "all_of", lambda _: found)
    return found


def names(members: list[crossvalidation.Member]) -> list[str]:
    return [member.experiment.name for member in members]


def test_all_folds_of_the_same_params_belong_together(there: list[Tried]) -> None:
    there += [tried("c", 2), tried("a", 0), tried("b", 1), Tried("single", ())]
    there += [
        tried("other0", 0, "train.lr=1e-4"),
        tried("other1", 1, "train.lr=1e-4"),
    ]  # the third is missing
    assert [names(one) for one in crossvalidation.complete()] == [["a", "b", "c"]]
    assert names(crossvalidation.chosen(crossvalidation.complete(), None)) == ["a", "b", "c"]


def test_seeds_with_every_fold_join_and_others_do_not(there: list[Tried]) -> None:
    there += [tried(f"s{seed}f{fold}", fold, f"train.seed={seed}") for seed in (1, 0) for fold in range(3)]
    there += [tried("s2f0", 0, "train.seed=2"), tried("s2f2", 2, "train.seed=2")]
    (found,) = crossvalidation.complete()
    assert names(found) == [f"s{seed}f{fold}" for seed in (0, 1) for fold in range(3)]


def test_of_several_one_is_named(there: list[Tried]) -> None:
    there += [tried(f"a{fold}", fold) for fold in range(3)]
    there += [tried(f"b{fold}", fold, "train.lr=1e-4") for fold in range(3)]
    found = crossvalidation.complete()
    assert names(crossvalidation.chosen(found, "b1")) == ["b0", "b1", "b2"]
    with pytest.raises(UserError) as error:
        crossvalidation.chosen(found, None)
    assert str(error.value) == "there are 2 cross-validations; name an experiment of one (a0, b0)"
    with pytest.raises(UserError) as error:
        crossvalidation.chosen(found, "c1")
    assert str(error.value) == (
        "c1 is no experiment of this commit whose other folds are there too; `dvc exp show` lists them"
    )


def test_without_all_folds_the_command_is_told(there: list[Tried]) -> None:
    there += [tried("a0", 0), tried("a1", 1)]
    with pytest.raises(UserError) as error:
        crossvalidation.chosen(crossvalidation.complete(), None)
    assert str(error.value) == (
        "no experiments of this commit cover all folds; run dvc exp run --queue -S split.folds=5 "
        "-S 'split.fold=range(5)' && dvc queue start"
    )


def test_the_joint_rule_is_the_mean_of_its_members() -> None:
    regions = graphs.BRATS
    members = [
        graphs.describe(
            regions=regions,
            threshold=dict.fromkeys(regions, 0.2 * number),
            smallest_component_ml={name: float(number) for name in regions},
            tta=tta,
            low_confidence_below=sure,
        )
        for number, tta, sure in ((1, "flip", 0.6), (2, "flip", None), (3, "none", 0.8))
    ]
    found = ensemble.average(members)
    assert found.decision.threshold == pytest.approx(dict.fromkeys(regions, 0.4))
    assert found.decision.smallest_component_ml == pytest.approx(dict.fromkeys(regions, 2.0))
    assert found.decision.tta == "flip"
    assert found.decision.low_confidence_below == pytest.approx(0.7)
    assert (found.input, found.output, found.scaling) == (
        members[0].input,
        members[0].output,
        members[0].scaling,
    )
    assert ensemble.average(members[1:]).decision.tta == "none"  # half is not most
    assert len(found.model_hash) == 64
    assert found.model_hash != members[0].model_hash


@given(st.lists(st.integers(1, levels.LEVELS - 1), min_size=1, max_size=7))
def test_a_joint_threshold_is_the_multiple_next_to_the_mean(members: list[int]) -> None:
    specs = [graphs.describe(threshold={"tumour": level / levels.LEVELS}) for level in members]
    joint = ensemble.average(specs).decision.threshold["tumour"]
    assert joint in {level / levels.LEVELS for level in range(levels.LEVELS + 1)}
    assert abs(joint * levels.LEVELS - sum(members) / len(members)) <= 0.5 + 1e-9
    if len(set(members)) == 1:
        assert joint == members[0] / levels.LEVELS


def test_members_that_prepare_scans_in_other_ways_do_not_join() -> None:
    with pytest.raises(UserError) as error:
        ensemble.average([graphs.describe(), graphs.describe(context=1)])
    assert str(error.value) == (
        "the experiments differ in how they prepare scans; ensemble those that do not"
    )
