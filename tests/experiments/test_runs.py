"""Experiments beside each other, with a program in DVC's place: alone up to train, and failing alone."""

import os
import re
import sqlite3
from pathlib import Path
from types import ModuleType

import pytest

from stages.commands import preset, tune
from stages.core import errors, workers
from stages.core.errors import UserError
from stages.experiments import runs, tracked
from tests.fixtures.dvc_stand_in import Place

ROOT = Path(__file__).parents[2]
RUN = ("leak-tax", "--run", "-S", "split.folds=3", "-S", "train.epochs=2")
LR = ("--search", "train.lr=log(1e-5,1e-1)")


PREPARE = tracked.prepare


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow's store, which takes seconds to make, is made where a test is of it."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(tracked, "prepare", lambda: None)


def ended(capsys: pytest.CaptureFixture[str], command: ModuleType, *words: str) -> tuple[object, str, str]:
    """Exit status, stdout and stderr of a command."""
    with pytest.raises(SystemExit) as end:
        errors.run(lambda: command.app(list(words), prog_name="brainseg"))
    return end.value.code or 0, *capsys.readouterr()


def names(place: Place) -> list[str]:
    return sorted(line.split('"')[1] for line in place.asked())


EVERY = [f"leak-tax-{arm}-{fold}" for arm in ("patient", "slice") for fold in range(3)]


# How many.


@pytest.mark.parametrize(
    ("cores", "threads", "jobs", "way_out"),
    [
        (2, None, 2, "OMP_NUM_THREADS=1"),
        (16, "8", 3, "OMP_NUM_THREADS=5"),
        (2.5, "", 2, "OMP_NUM_THREADS=1"),
        (2, "2", 5, "OMP_NUM_THREADS=1"),
        (8, "many", 4, "OMP_NUM_THREADS=2"),
    ],
)
def test_more_threads_than_cores_are_refused(
    monkeypatch: pytest.MonkeyPatch, cores: int, threads: str, jobs: int, way_out: str
) -> None:
    monkeypatch.setattr(workers, "granted", lambda: cores)
    if threads is None:
        monkeypatch.delenv("OMP_NUM_THREADS")
    else:
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
    with pytest.raises(UserError) as refused:
        runs.check(jobs)
    assert f"set {way_out} (" in str(refused.value)
    monkeypatch.setenv("OMP_NUM_THREADS", way_out.partition("=")[2])
    runs.check(jobs)  # the way out is one


@pytest.mark.parametrize(("threads", "jobs"), [("4", 4), ("1", 40), ("16", 1), (None, 1)])
def test_threads_that_have_a_core_each_are_not(
    monkeypatch: pytest.MonkeyPatch, threads: str, jobs: int
) -> None:
    monkeypatch.setattr(workers, "granted", lambda: 16)
    monkeypatch.delenv("OMP_NUM_THREADS")
    if threads:
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
    runs.check(jobs)


@pytest.mark.parametrize(
    ("command", "words", "told"),
    [
        (preset, (*RUN, "--jobs", "0"), "--jobs 0 runs nothing; give 1 or more"),
        (tune, (*LR, "--jobs", "-2"), "--jobs -2 runs nothing; give 1 or more"),
        (preset, ("leak-tax", "--jobs", "2"), "--jobs goes with --run"),
        (preset, ("table", "--jobs", "2"), "--jobs goes with --run"),
        (preset, ("--jobs", "2"), "options go with a preset; `brainseg preset` lists what there is"),
    ],
)
def test_slips_are_told_in_a_sentence(
    place: Place, capsys: pytest.CaptureFixture[str], command: ModuleType, words: tuple[str, ...], told: str
) -> None:
    assert ended(capsys, command, *words) == (2, "", f"error: {told}\n")
    assert place.asked() == []


# Beside each other.


def test_the_store_of_trainings_is_there_before_two_begin(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(tracked, "prepare", PREPARE)
    assert ended(capsys, preset, *RUN)[0] == 0
    assert not (place.root / "mlflow.db").exists()  # one at a time makes it in training
    assert ended(capsys, preset, *RUN, "--jobs", "2")[0] == 0
    with sqlite3.connect(place.root / "mlflow.db") as database:
        assert ("brainseg",) in database.execute("SELECT name FROM experiments").fetchall()


def test_two_train_at_a_time_and_one_prepares(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    alone = ended(capsys, preset, *RUN)
    assert (alone[0], names(place)) == (0, EVERY)
    for ref in place.git("for-each-ref", "--format=%(refname)", "refs/exps").split():
        place.git("update-ref", "-d", ref)
    (place.root / "beside").touch()
    assert ended(capsys, preset, *RUN, "--jobs", "2") == alone
    assert names(place) == EVERY
    # Of those that are there none is run again.
    assert ended(capsys, preset, *RUN, "--jobs", "6") == alone
    assert names(place) == []


def test_one_failure_stops_no_other_and_is_named(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    (place.root / "fail").touch()
    (place.root / "kill").touch()
    status, printed, complaint = ended(capsys, preset, *RUN, "--jobs", "3")
    assert (status, printed, names(place)) == (2, "", EVERY)
    told = re.sub(r"-[0-9a-f]{8}\b", "", complaint.splitlines()[-1])
    failed = [
        f"experiment leak-tax-{arm}-{fold} failed: {why}"
        for arm in ("patient", "slice")
        for fold, why in ((1, "the disc melted; cool it"), (2, "DVC ended with status -9"))
    ]
    assert told == f"error: 4 of 6 experiments failed, the others are kept: {'; '.join(failed)}"
    (place.root / "fail").unlink()
    (place.root / "kill").unlink()
    assert ended(capsys, preset, *RUN, "--jobs", "3")[0] == 0
    assert names(place) == [name for name in EVERY if name[-1] != "0"]


def test_control_c_ends_all_and_begins_no_other(place: Place) -> None:
    (place.root / "beside").touch()
    assert place.interrupted("preset", *RUN, "--jobs", "3") == 130
    assert (place.root / "tidied").exists()
    assert len(names(place)) == 1  # the one that prepared; two waited for it


def test_trials_of_a_batch_run_beside_each_other_and_are_the_same_each_time(
    place: Place, capsys: pytest.CaptureFixture[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    words = (*LR, "-S", "train.epochs=2", "--trials", "6", "--jobs", "2")
    (place.root / "beside").touch()
    status, printed, complaint = ended(capsys, tune, *words)
    assert (status, complaint) == (0, "")
    first = names(place)
    assert len(first) == 6
    assert ended(capsys, tune, *words) == (0, printed, "")
    assert names(place) == []
    again = Place(tmp_path_factory.mktemp("again"))
    os.chdir(again.root)  # the fixture puts it back
    status, repeated, _ = ended(capsys, tune, *words)
    assert status == 0
    scores = [re.findall(r"lr=(\S+) +\| +(\S+)", table) for table in (printed, repeated)]
    assert scores[0] == scores[1]
    assert len(set(scores[0])) == 6


def test_a_trial_that_failed_stops_no_other_and_comes_again(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    (place.root / "fail").touch()
    words = ("--search", "split.fold=choice(0,1,2)", "-S", "split.folds=3", "--trials", "4", "--jobs", "4")
    status, printed, complaint = ended(capsys, tune, *words)
    assert (status, printed) == (2, "")
    assert re.search(r"of \d experiments failed, the others are kept: .*the disc melted", complaint)
    (place.root / "fail").unlink()
    place.asked()
    assert ended(capsys, tune, *words)[0] == 0
    assert '"split.fold": "1"' in place.asked()[0]
