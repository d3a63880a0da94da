"""Which experiments make a cross-validation, and what their joint model says of itself."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stages.core.errors import UserError
from stages.experiments import crossvalidation, ensemble, experiment
from stages.exporting import onnx_export
from stages.inference import onnx_predictor, spec
from stages.masks import levels
from stages.networks import network
from stages.networks.architecture import Architecture
from stages.networks.volumetric import VolumeNetwork
from stages.predicting import segmenting
from stages.project.params import Params
from tests.fixtures import graphs, populations

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
    assert [names(one) for one in crossvalidation.chosen(crossvalidation.complete(), [])] == [["a", "b", "c"]]


def test_seeds_with_every_fold_join_and_others_do_not(there: list[Tried]) -> None:
    there += [tried(f"s{seed}f{fold}", fold, f"train.seed={seed}") for seed in (1, 0) for fold in range(3)]
    there += [tried("s2f0", 0, "train.seed=2"), tried("s2f2", 2, "train.seed=2")]
    (found,) = crossvalidation.complete()
    assert names(found) == [f"s{seed}f{fold}" for seed in (0, 1) for fold in range(3)]


def test_of_several_one_is_named(there: list[Tried]) -> None:
    there += [tried(f"a{fold}", fold) for fold in range(3)]
    there += [tried(f"b{fold}", fold, "train.lr=1e-4") for fold in range(3)]
    found = crossvalidation.complete()
    assert [names(one) for one in crossvalidation.chosen(found, ["b1"])] == [["b0", "b1", "b2"]]
    assert [names(one)[0] for one in crossvalidation.chosen(found, ["b1", "a0", "b2"])] == ["b0", "a0"]
    with pytest.raises(UserError) as error:
        crossvalidation.chosen(found, [])
    assert str(error.value) == (
        "there are 2 cross-validations; name an experiment of each that is meant (a0, b0)"
    )
    with pytest.raises(UserError) as error:
        crossvalidation.chosen(found, ["a0", "c1"])
    assert str(error.value) == (
        "c1 is no experiment of this commit whose other folds are there too; `dvc exp show` lists them"
    )


def test_without_all_folds_the_command_is_told(there: list[Tried]) -> None:
    there += [tried("a0", 0), tried("a1", 1)]
    with pytest.raises(UserError) as error:
        crossvalidation.chosen(crossvalidation.complete(), [])
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


def of_fold(patients: range, worst: float) -> pd.DataFrame:
    """Scores of a fold's patients, of whom the first is as bad as `worst` tells."""
    table = pd.DataFrame({"patient_id": [f"p{number}" for number in patients]})
    error = [worst] + [0.1] * (len(patients) - 1)
    return table.assign(
        case_id=table["patient_id"], region="tumour", slices=3, dice=0.8, truth_ml=1.0, outer_level=50.0,
        confidence=0.9, volume_log_error=error, expected_dice=0.9,
    )  # fmt: skip


def test_the_joint_model_promises_by_the_held_out_patients_of_all_folds(tmp_path: Path) -> None:
    own = [graphs.guarantees(patients=5), graphs.guarantees(patients=5)]
    own[1] = replace(own[1], dice_shift={"tumour": -0.1})
    members = [
        graphs.write(tmp_path / f"{n}.onnx", graphs.describe().model_copy(update={"guarantees": promised}))
        for n, promised in enumerate(own)
    ]
    scores = [of_fold(range(5), 0.5), of_fold(range(5, 10), 0.25)]
    (tmp_path / "joint").mkdir()
    ensemble.join(members, tmp_path / "joint", scores)
    joint = onnx_predictor.open_model(tmp_path / "joint").spec.guarantees
    assert joint is not None
    assert joint.volume.scores == (*[0.1] * 8, 0.25, 0.5)
    assert (joint.outer["tumour"].patients, joint.dice_shift) == (10, {"tumour": -0.05})
    assert joint.volume.bound(0.9) == 0.5  # which five patients do not reach
    assert own[0].volume.bound(0.9) is None


@pytest.mark.parametrize("scored", [True, False])
def test_a_joint_model_does_not_promise_what_its_first_member_does(tmp_path: Path, scored: bool) -> None:
    first = graphs.describe().model_copy(update={"guarantees": graphs.guarantees()})
    specs = [first, graphs.describe() if scored else first]
    paths = [graphs.write(tmp_path / f"{n}.onnx", described) for n, described in enumerate(specs)]
    (tmp_path / "joint").mkdir()
    scores = [of_fold(range(5), 0.5), of_fold(range(5, 10), 0.25)]
    ensemble.join(paths, tmp_path / "joint", scores if scored else None)
    assert onnx_predictor.open_model(tmp_path / "joint").spec.guarantees is None


def test_a_leaky_fold_takes_the_promises_of_all_away() -> None:
    leaky = graphs.guarantees(withheld="the split leaks")
    specs = [graphs.describe().model_copy(update={"guarantees": own}) for own in (graphs.guarantees(), leaky)]
    joint = ensemble.promised(specs, [of_fold(range(5), 0.5), of_fold(range(5, 10), 0.25)])
    assert joint is not None
    assert (joint.withheld, joint.volume.patients) == ("the split leaks", 0)


def test_members_that_prepare_scans_in_other_ways_do_not_join() -> None:
    with pytest.raises(UserError) as error:
        ensemble.average([graphs.describe(), graphs.describe(channels=("pre", "flair"))])
    assert str(error.value) == (
        "the experiments differ in how they prepare scans; ensemble those that do not"
    )


def volumes(path: Path) -> Path:
    """A 3D network with random weights, exported for the same scans as `graphs` are."""
    window = (4, 32, 32)
    architecture = Architecture(dims=3, arch="dynunet", encoder="", window=window, spacing_mm=(2.0, 1.0, 1.0))
    torch.manual_seed(0)
    net = network.build(architecture, None, 1, [60.0] * 3, [40.0] * 3)
    assert isinstance(net, VolumeNetwork)
    onnx_export.write_volumes(net, window, 18, path)
    like = graphs.describe()
    shaped = {"shape": ("batch", *window, 3), "window": window, "through_mm": 2.0}
    described = like.model_copy(
        update={
            "input": like.input.model_copy(update=shaped),
            "output": like.output.model_copy(update={"shape": ("batch", *window, 1)}),
        }
    )
    onnx_export.describe(path, spec.KEY, described.text())
    return path


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], Path]:
    """Two networks of slices, one of slices with neighbours and one of volumes; their ensemble."""
    folder = tmp_path_factory.mktemp("ensemble")
    members = [
        graphs.write(folder / "a.onnx", graphs.describe()),
        volumes(folder / "b.onnx"),
        graphs.write(folder / "c.onnx", graphs.describe(context=1)),
        graphs.write(folder / "d.onnx", graphs.describe()),
    ]
    (folder / "joint").mkdir()
    ensemble.join(members, folder / "joint")
    return members, folder / "joint"


SLICES = np.random.default_rng(0).integers(1, 256, (5, graphs.SIZE, graphs.SIZE, 3), np.uint8)


def test_slices_and_volumes_join_to_the_mean_of_all(mixed: tuple[list[Path], Path]) -> None:
    members, folder = mixed
    assert sorted(path.name for path in folder.glob("*.onnx")) == [
        "model-2.onnx",
        "model-3.onnx",
        "model.onnx",
    ]
    joint = onnx_predictor.open_model(folder)
    assert joint.spec.members == {"model.onnx": 2, "model-2.onnx": 1, "model-3.onnx": 1}
    alone = [segmenting.answered(SLICES, 4.0, onnx_predictor.open_model(path)) for path in members]
    answered = segmenting.answered(SLICES, 4.0, joint)
    np.testing.assert_allclose(answered, np.mean(alone, axis=0), atol=1e-6)
    assert np.abs(answered - alone[0]).max() > 0.1


@pytest.mark.parametrize("file", ["model.onnx", "model-2.onnx", "model-3.onnx", "spec.json"])
def test_each_file_of_an_ensemble_opens_all_of_it(mixed: tuple[list[Path], Path], file: str) -> None:
    joint = onnx_predictor.open_model(mixed[1] / file)
    assert [part.networks for part in (joint, *joint.others)] == [2, 1, 1]
    assert segmenting.remarks(None, joint)  # one of them was trained on a distance


def test_a_part_by_itself_and_a_part_of_another_ensemble(
    mixed: tuple[list[Path], Path], tmp_path: Path
) -> None:
    members, folder = mixed
    copied = Path(shutil.copy(folder / "model-2.onnx", tmp_path))
    with pytest.raises(UserError) as error:
        onnx_predictor.open_model(copied)
    assert str(error.value) == (
        f"{copied} is a part of an ensemble, and model.onnx is not beside it; copy all of it"
    )
    (tmp_path / "other").mkdir()
    ensemble.join([members[0], members[2]], tmp_path / "other")
    shutil.copytree(folder, tmp_path / "joint")
    shutil.copy(tmp_path / "other" / "model-2.onnx", tmp_path / "joint" / "model-2.onnx")
    with pytest.raises(
        UserError, match=r"model-2\.onnx is not the file that the spec\.json beside it describes"
    ):
        onnx_predictor.open_model(tmp_path / "joint")
    (tmp_path / "joint" / "spec.json").unlink()
    with pytest.raises(UserError, match=r"model-2\.onnx is of another ensemble than .*; copy all of one"):
        onnx_predictor.open_model(tmp_path / "joint")


def test_the_patients_of_folds_are_known_once_and_those_of_one_without_not_at_all() -> None:
    rows = populations.table(12)
    folds = [
        graphs.describe().model_copy(update={"population": populations.of(np.roll(rows, turn, 0))})
        for turn in (0, 5)
    ]
    joint = ensemble.average(folds).population
    assert joint is not None
    assert len(joint) == 12
    assert ensemble.average([folds[0], graphs.describe()]).population is None


@pytest.mark.parametrize("strategy", ["site", "patient"])
def test_sites_are_told_with_what_is_known_of_them(strategy: str) -> None:
    """Two folds; a patient of both seeds counts once, and six make an interval."""
    rows = [
        pd.DataFrame(
            {
                "patient_id": [f"{site}{number}" for number in range(patients)],
                "dice": [0.5 + 0.05 * number for number in range(patients)],
                "site": site,
                "traits": "grade=2",
            }
        )
        for site, patients in (("CS", 6), ("DU", 2), ("DU", 2))
    ]
    by_group = ensemble.by_group(rows)
    assert set(by_group) == {"site"}
    assert by_group["site"]["DU"] == {
        "patients": 2,
        "dice": pytest.approx(0.525),
        "dice_ci_low": None,
        "dice_ci_high": None,
        "worst_dice": 0.5,
    }
    metrics = dict.fromkeys(("dice", "dice_ci_low", "dice_ci_high", "dice_sd_over_folds"), 0.5)
    joint = ensemble.Ensemble(
        metrics | {"patients": 8, "leaky": False, "strategy": strategy, "groups": by_group}, 2, exported=False
    )
    _, sites, _ = joint.lines()
    unseen = ", each by networks that have not seen it" if strategy == "site" else ""
    assert sites.startswith(f"by site{unseen}: DU 0.525 (2 patients), CS 0.625 (")
    assert sites.endswith(", 6 patients)")
