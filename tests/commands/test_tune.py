"""`brainseg tune`: what may be searched, what is proposed, and that an interruption costs one trial."""

import json
import re

import optuna
import pytest

from stages.commands import tune
from stages.core import errors
from stages.core.errors import UserError
from stages.experiments import search
from stages.project.paths import HERE
from tests.fixtures.dvc_stand_in import Place


def ended(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[object, str, str]:
    """Exit status, stdout and stderr of `brainseg tune <words>`."""
    with pytest.raises(SystemExit) as end:
        errors.run(lambda: tune.app(list(words), prog_name="brainseg tune"))
    return end.value.code or 0, *capsys.readouterr()


def given(place: Place) -> list[dict[str, str]]:
    return [json.loads(line)[1] for line in place.asked()]


LR = ("--search", "train.lr=log(1e-5,1e-1)")


@pytest.mark.parametrize(
    ("word", "axis"),
    [
        ("train.lr=log(1e-4,1e-2)", ("train.lr", "log", ("1e-4", "1e-2"))),
        ("train.dropout=uniform(0, 0.5)", ("train.dropout", "uniform", ("0", "0.5"))),
        ("train.context=int(0,2)", ("train.context", "int", ("0", "2"))),
        ("train.loss=choice(bce,dice)", ("train.loss", "choice", ("bce", "dice"))),
    ],
)
def test_what_may_be_searched(word: str, axis: tuple[str, str, tuple[str, ...]]) -> None:
    found = search.parse(word)
    assert (found.key, found.kind, found.values) == axis


FORMS = "is not section.key= followed by uniform(low,high), log(low,high), int(low,high) or choice(a,b,...)"


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("train.lr", FORMS),
        ("train.lr=1e-4", FORMS),
        ("train.lr=normal(0,1)", FORMS),
        ("lr=log(1e-4,1e-2)", FORMS),
        ("train.lr=log(1e-4)", "needs two float numbers, low and high"),
        ("train.context=int(0,1.5)", "needs two int numbers, low and high"),
        ("train.lr=log(0,1)", ": the first number must be below the second, both above 0"),
        ("train.dropout=uniform(1,0)", ": the first number must be below the second"),
        ("train.loss=choice(bce,bce)", "needs two different choices at least"),
    ],
)
def test_what_may_not(word: str, told: str) -> None:
    with pytest.raises(UserError) as error:
        search.parse(word)
    assert str(error.value) == (f"--search {word}{told}" if told[0] == ":" else f"--search {word} {told}")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((*LR, "-S", "train.lr=1"), "train.lr is given twice; search it or set it"),
        (("--search", "train.epohs=int(1,2)"), "-S: unknown key train.epohs"),
        (
            ("--search", "train.loss=choice(no,never)"),
            "-S: train.loss must be 'dice_bce', 'dice', 'bce', 'focal', 'tversky', 'focal_tversky', 'combo' "
            "or 'lovasz', not",
        ),
    ],
)
def test_slips_are_told_in_a_sentence(
    place: Place, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], told: str
) -> None:
    status, printed, complaint = ended(capsys, *words)
    assert (status, printed) == (2, "")
    assert complaint.splitlines()[-1].startswith(f"error: {told}")


def test_the_best_is_found_and_told(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    status, printed, complaint = ended(
        capsys, *LR, "--search", "train.context=int(0,2)", "-S", "train.epochs=2", "--trials", "16"
    )
    assert (status, complaint) == (0, "")
    asked = given(place)
    assert {one["train.epochs"] for one in asked} == {"2"}
    assert {int(one["train.context"]) for one in asked} == {0, 1, 2}
    assert all(1e-5 <= float(one["train.lr"]) <= 1e-1 for one in asked)
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in printed.splitlines()
        if line.startswith("| train")
    ]
    assert len(rows) == 16
    scores = [float(row[1]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 0.87  # the best there is has 0.9
    assert printed.splitlines()[-1] == (
        f"The best one's test Dice is 0.500 (0.250 to 0.750). Keep it with: dvc exp apply {rows[0][2]}"
    )
    assert re.fullmatch(r"tune-\w{8}", rows[0][2])


def test_it_goes_on_where_it_was_and_repeats_what_was_interrupted(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(capsys, *LR, "--trials", "3")[0] == 0
    assert len(given(place)) == 3
    folds = ("-S", "split.folds=3", "-S", "split.fold=2")
    (place.root / "kill").touch()
    status, _, complaint = ended(capsys, *LR, "--trials", "5", *folds)
    assert (status, "DVC ended with status -9" in complaint) == (2, True)
    (lost,) = given(place)
    (place.root / "kill").unlink()
    assert ended(capsys, *LR, "--trials", "5", *folds)[0] == 0
    again = given(place)
    assert len(again) == 5
    assert again[0] == lost
    status, printed, _ = ended(capsys, *LR, "--trials", "3")
    assert (status, place.asked()) == (0, [])  # the first search, which had its three
    assert len([line for line in printed.splitlines() if line.startswith("| train")]) == 3
    assert ended(capsys, *LR, "--trials", "4")[0] == 0
    assert len(given(place)) == 1


def test_another_search_or_commit_is_another_study(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    ended(capsys, *LR, "--trials", "1")
    ended(capsys, *LR, "--trials", "1", "--seed", "1")
    place.commit()
    ended(capsys, *LR, "--trials", "1")
    names = optuna.get_all_study_names(f"sqlite:///{place.root / HERE.tune}")
    assert len(names) == 3
