"""`brainseg score` as a user runs it: models on sets they were not made from, matched, refused, compared."""

import json
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile
from typer.testing import CliRunner

from stages import export, score
from stages.commands import compare
from stages.core import tables
from stages.fingerprints import fingerprint, seen
from stages.project.paths import HERE
from stages.trials.unseen import FILE
from tests.fixtures import graphs, populations, programs, scans, volumes

PATIENTS, SLICES = 4, 5
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Answers tumour where FLAIR is bright; it has seen nothing."""
    folder = graphs.export(tmp_path_factory.mktemp("model"), graphs.describe(channels=("flair",)))
    seen.write(np.empty((0, seen.BYTES), np.uint8), folder / FILE)
    return folder


@pytest.fixture(scope="module")
def lgg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("lgg")
    scans.write_lgg(root, patients=PATIENTS, slices=SLICES)
    return root


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, model: Path, lgg: Path) -> Path:
    """Of a score that went well."""
    out = tmp_path_factory.mktemp("results") / "out"
    words = ("--model", model, "--source", "lgg", "--location", lgg, "--out", out)
    assert CliRunner().invoke(score.app, [str(word) for word in words]).exit_code == 0
    return out


def run(capfd: pytest.CaptureFixture[str], *words: Any, command: ModuleType = score) -> tuple[int, str, str]:
    return programs.run(command.app, "score", words, capfd)


def scored(
    capfd: pytest.CaptureFixture[str], model: Path, source: str, location: Path, out: Path, *words: str
) -> dict:
    """Metrics of a score that goes well."""
    status, _, complaints = run(
        capfd, "--model", model, "--source", source, "--location", location, "--out", out, *words
    )
    assert status == 0, complaints
    return json.loads((out / "metrics.json").read_text(encoding="utf-8"))


def hashes(folder: Path) -> np.ndarray:
    """Of all pictures of a set in the layout of LGG."""
    paths = [path for path in sorted(folder.rglob("*.tif")) if not path.stem.endswith("_mask")]
    return seen.packed(
        fingerprint.of(tifffile.imread(path).mean(axis=-1, dtype=np.float32)) for path in paths
    )


def test_what_evaluate_writes_is_written_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], model: Path, lgg: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    metrics = scored(capfd, model, "lgg", lgg, tmp_path / "out")
    assert metrics["test"]["dice"] > 0.9
    assert metrics["test"]["patients"] == metrics["scored"]["patients"] == PATIENTS
    assert metrics["scored"]["slices"] == PATIENTS * SLICES
    assert metrics["seen"] == {"checked": True, "patients": 0, "slices": 0}
    assert metrics["model"]["weights"] == "a1" * 32
    assert not {"leaky", "patients_known", "box_labels", "spacing_known", "conventions"} - set(metrics)
    rows = tables.read(tables.PER_CASE, tmp_path / "out" / "per_case.csv")
    assert rows.groupby("patient_id")["dice"].mean().mean() == pytest.approx(
        metrics["test"]["dice"], abs=1e-5
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    for sentence in metrics["notes"]:
        assert sentence in page
    assert str(tmp_path) not in page


def test_twice_gives_the_same_bytes(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], model: Path, lgg: Path, results: Path
) -> None:
    scored(capfd, model, "lgg", lgg, tmp_path / "again")
    first, again = (
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.*")}
        for folder in (results, tmp_path / "again")
    )
    assert first == again


@pytest.mark.usefixtures("undrawn", "without_processes")
def test_an_lgg_model_on_brats_says_that_the_definitions_differ(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], model: Path
) -> None:
    volumes.write_brats(tmp_path / "brats", cases=3, year=2020, slices=6)
    metrics = scored(capfd, model, "brats", tmp_path / "brats", tmp_path / "out")
    assert metrics["test"]["patients"] == 3
    assert any("tumour of the model is held against whole_tumour" in note for note in metrics["notes"])
    assert set(pd.read_csv(tmp_path / "out" / "per_case.csv")["region"]) == {"tumour"}


@pytest.mark.usefixtures("undrawn", "without_processes")
def test_patients_whose_pictures_it_has_seen_are_left_out_however_they_are_turned(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], lgg: Path
) -> None:
    """One patient has seen all it takes, with its slices mirrored and larger."""
    model = graphs.export(tmp_path / "model", graphs.describe(channels=("flair",)))
    case = scans.case_name(1)
    pictures = [
        tifffile.imread(path).mean(axis=-1, dtype=np.float32)[:, ::-1]
        for path in sorted((lgg / "kaggle_3m" / case).glob("*.tif"))
        if "_mask" not in path.name
    ]
    seen.write(seen.packed(map(fingerprint.of, pictures)), model / FILE)
    metrics = scored(capfd, model, "lgg", lgg, tmp_path / "out")
    assert metrics["seen"] == {"checked": True, "patients": 1, "slices": SLICES}
    assert case not in set(pd.read_csv(tmp_path / "out" / "per_case.csv")["case_id"])
    assert metrics["scored"]["patients"] == PATIENTS - 1


def test_a_score_on_seen_patients_alone_is_refused_and_nothing_is_written(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], lgg: Path
) -> None:
    model = graphs.export(tmp_path / "model", graphs.describe(channels=("flair",)))
    seen.write(hashes(lgg), model / FILE)
    words = ("--model", model, "--source", "lgg", "--location", lgg, "--out", tmp_path / "out")
    status, _, complaints = run(capfd, *words)
    assert status == 2
    assert f"has seen pictures of each of these {PATIENTS} patients" in complaints
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.usefixtures("undrawn", "without_processes")
def test_a_model_that_does_not_say_what_it_has_seen_is_scored_with_a_word(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], lgg: Path
) -> None:
    model = graphs.export(tmp_path / "model", graphs.describe(channels=("flair",)))
    metrics = scored(capfd, model, "lgg", lgg, tmp_path / "out")
    assert metrics["seen"]["checked"] is False
    assert any("does not say which pictures it has seen" in note for note in metrics["notes"])


@pytest.mark.usefixtures("undrawn", "without_processes")
def test_slices_that_cannot_be_used_are_left_out_and_listed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], model: Path
) -> None:
    scans.write_lgg(tmp_path / "lgg", patients=PATIENTS, slices=SLICES)
    case = scans.case_name(0)
    damaged = tmp_path / "lgg" / "kaggle_3m" / case / f"{case}_2.tif"
    damaged.write_bytes(damaged.read_bytes()[:200])
    metrics = scored(capfd, model, "lgg", tmp_path / "lgg", tmp_path / "out")
    assert metrics["scored"]["slices"] == PATIENTS * SLICES - 1
    assert any("1 slices that cannot be used" in note for note in metrics["notes"])
    findings = tables.read(tables.FINDINGS, tmp_path / "out" / "findings.csv")
    assert f"{case}_2" in set(findings.loc[findings["severity"] == "critical", "sample_id"])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--source", "lggg"), "ingest.source must be"),
        (("--source", "lgg", "-S", "labels"), "'labels' is no param with its value"),
        (("--source", "lgg", "-S", "lable=brats"), "unknown key ingest.lable; did you mean labels?"),
        (("--source", "lgg", "-S", "limit=[1"), "the value is not valid YAML"),
        (("--source", "lgg", "-S", "also=x"), "-S also cannot be set"),
        (("--source", "lgg", "-S", "limit=0"), "ingest.limit must be"),
        (("--source", "brats"), "the folder holds no scans of source brats"),
    ],
)
def test_bad_words_are_sentences(
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    model: Path,
    lgg: Path,
    words: tuple[Any, ...],
    sentence: str,
) -> None:
    status, _, complaints = run(capfd, "--model", model, *words, "--location", lgg, "--out", tmp_path / "out")
    assert status == 2
    assert sentence in complaints
    assert "Traceback" not in complaints
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


@pytest.mark.usefixtures("undrawn", "without_processes")
def test_a_full_folder_is_left_alone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], model: Path, lgg: Path
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    words = ("--model", model, "--source", "lgg", "--location", lgg, "--out", tmp_path)
    status, _, complaints = run(capfd, *words)
    assert status == 2
    assert "is not empty" in complaints
    assert run(capfd, *words, "--overwrite")[0] == 0
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.usefixtures("undrawn", "without_processes")
def test_two_scores_are_compared_as_two_commits_are(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], lgg: Path, results: Path
) -> None:
    blunt = graphs.export(
        tmp_path / "blunt", graphs.describe(channels=("flair",), threshold={"tumour": 0.999})
    )
    scored(capfd, blunt, "lgg", lgg, tmp_path / "bad")
    status, text, _ = run(capfd, results, tmp_path / "bad", command=compare)
    assert status in (0, 1)
    assert "Test Dice" in text
    assert f"{PATIENTS} patients" in text

    status, text, _ = run(capfd, results, results, "--format", "json", command=compare)
    outcome = json.loads(text)
    assert (status, outcome["outcome"]["verdict"]) == (0, "within noise")
    assert outcome["outcome"]["metrics"]["dice"]["pairs"] == PATIENTS
    assert outcome["data"] == []


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("metrics.json", "[]", "is not a JSON object; score the model again"),
        ("metrics.json", "{}", "is not what a score writes; score the model again"),
        ("per_case.csv", "a,b\n1,2\n", "lacks the column"),
    ],
)
def test_a_damaged_score_is_a_sentence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], results: Path, name: str, content: str, sentence: str
) -> None:
    shutil.copytree(results, tmp_path / "out")
    (tmp_path / "out" / name).write_text(content)
    status, _, complaints = run(capfd, tmp_path / "out", tmp_path / "out", command=compare)
    assert status == 2
    assert sentence in complaints


def test_a_score_is_compared_with_another_one(capfd: pytest.CaptureFixture[str], results: Path) -> None:
    status, _, complaints = run(capfd, results, command=compare)
    assert (status, "is a score; name the other one too" in complaints) == (2, True)


@pytest.mark.usefixtures("undrawn", "without_processes")
def test_a_recorded_score_takes_the_place_of_an_earlier_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], model: Path, lgg: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    other = "b2" * 32
    HERE.tried.parent.mkdir()
    HERE.tried.write_text(
        f"model,data,patients,dice,dice_ci_low,dice_ci_high,note\n{other},x,1,0.5,0.5,0.5,\n"
    )
    metrics = scored(capfd, model, "lgg", lgg, tmp_path / "out", "--record")
    score.enter(metrics, ("a note that is replaced",), HERE.tried)
    score.enter(metrics, tuple(note for note in metrics["notes"] if "definitions" in note), HERE.tried)
    table = tables.read(tables.TRIED, HERE.tried)
    assert list(table["model"]) == [other, "a1" * 32]
    assert table["dice"].iloc[1] == pytest.approx(metrics["test"]["dice"], abs=1e-5)
    assert table["note"].iloc[1] == "; ".join(note for note in metrics["notes"] if "definitions" in note)
    assert export.tried(HERE.tried, "a1" * 32) == table.iloc[1:].to_dict("records")


@pytest.mark.usefixtures("undrawn", "without_processes")
def test_scans_of_another_kind_are_told(tmp_path: Path, capfd: pytest.CaptureFixture[str], lgg: Path) -> None:
    """The model's patients are those of the set, or heads seen in half as many pixels."""
    scans.write_lgg(tmp_path / "own", patients=25, slices=SLICES)
    scans.write_lgg(tmp_path / "other", patients=3, slices=SLICES, size=128, seed=9)
    described = populations.of_scans(
        tmp_path / "own" / "kaggle_3m",
        graphs.describe(channels=("flair",), modalities=("pre", "flair", "post")),
    )
    model = graphs.export(tmp_path / "model", described)
    same = scored(capfd, model, "lgg", lgg, tmp_path / "a")
    other = scored(capfd, model, "lgg", tmp_path / "other", tmp_path / "b")
    assert same["far_out"] <= 1
    assert other["far_out"] == 3
    assert any("3 of 3 scans are far out among those of training" in note for note in other["notes"])
    rows = tables.read(tables.PER_CASE, tmp_path / "b" / "per_case.csv")
    assert (rows["outlying_p"] <= 0.05).all()
