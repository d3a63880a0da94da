"""`brainseg headline`: the sentence, and the spread over seeds from experiments in git."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stages.commands import headline
from stages.core.errors import UserError
from stages.experiments import seeds as over_seeds
from stages.project.paths import HERE
from tests.fixtures.revisions import DICE, Results

PARAMS = "train: {{lr: 2e-3, epochs: 8, seed: {seed}}}\nsplit: {{ratios: {{test: 0.2}}}}\n"


def test_the_sentence_and_where_the_report_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as missing:
        headline.main(seeds=False)
    assert str(missing.value) == "reports/evaluate/metrics.json does not exist; run `dvc repro` first"
    HERE.evaluate_metrics.parent.mkdir(parents=True)
    test = {"dice": 0.7412, "dice_ci_low": 0.3, "dice_ci_high": 0.9, "patients": 6}
    about = {"leaky": False, "box_labels": False, "patients_known": True}
    HERE.evaluate_metrics.write_text(json.dumps({"test": test, **about}), encoding="utf-8")
    told = CliRunner().invoke(headline.app, []).stdout
    assert told.splitlines() == [
        "test Dice 0.741 (95 % interval 0.300 to 0.900, 6 patients)",
        f"report: file://{tmp_path}/reports/index.html",
    ]


class Seeds(Results):
    """A repository whose HEAD has seed 0, and experiments of it."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.write("params.yaml", PARAMS.format(seed=0))
        self.run()
        self.base = self.commit()

    def experiment(self, name: str, seed: int, dice: float, code: str = "one\n", raw: str = "1" * 32) -> None:
        """What `dvc exp run -S train.seed=...` leaves: a commit under refs/exps/, and HEAD where it was."""
        self.write("stages/train.py", code)
        self.write("params.yaml", PARAMS.format(seed=seed))
        self.scores(dict.fromkeys(DICE, dice), hd95_mm=100 * dice)
        self.run(raw=raw)
        self.git("update-ref", f"refs/exps/{self.base[:2]}/{self.base[2:]}/{name}", self.commit())
        self.git("reset", "-q", "--hard", self.base)


@pytest.fixture
def seeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Seeds:
    repository = Seeds(tmp_path)
    monkeypatch.chdir(repository.root)
    return repository


def test_the_spread_over_seeds_leaves_out_what_differs_otherwise(seeds: Seeds) -> None:
    seeds.experiment("one", 1, 0.7)
    seeds.experiment("two", 2, 0.5)
    seeds.experiment("other-code", 3, 0.1, code="two\n")
    seeds.experiment("other-data", 4, 0.1, raw="9" * 32)
    lines = over_seeds.spread()
    # HEAD itself has 0.6 on average (hd95 7.0); the standard deviation is that of n - 1.
    assert lines[0] == "3 trainings that differ in train.seed alone: seeds 0, 1, 2"
    assert "dice: 0.6000, 0.1000, 0.5000, 0.7000" in lines
    assert "hd95_mm: 42.3333, 32.1921, 7.0000, 70.0000" in lines
    assert CliRunner().invoke(headline.app, ["--seeds"]).stdout.splitlines() == lines


def test_one_seed_has_no_spread(seeds: Seeds) -> None:
    seeds.experiment("other-code", 1, 0.1, code="two\n")
    with pytest.raises(UserError) as alone:
        over_seeds.spread()
    assert str(alone.value) == (
        f"no experiment differs from HEAD ({seeds.base[:7]}) in train.seed alone; "
        "make some with `dvc exp run --temp -S train.seed=1`, 2 and so on"
    )
