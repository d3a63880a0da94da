"""`brainseg compare`: what is read of two revisions, what is told, and how it ends."""

import json
from pathlib import Path
from typing import Any

import pytest

from stages.commands import compare
from stages.core import errors
from tests.fixtures.revisions import CASES, DICE, METRICS, Results

ROOT = Path(__file__).parents[2]
AGAIN = "run `dvc repro --force evaluate` there and commit what that writes"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Results:
    found = Results(tmp_path)
    monkeypatch.chdir(found.root)
    return found


def ended(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[object, str, str]:
    """Exit status, stdout and stderr of `brainseg compare <words>`."""
    with pytest.raises(SystemExit) as end:
        errors.run(lambda: compare.app(list(words), prog_name="brainseg compare"))
    return end.value.code or 0, *capsys.readouterr()


def found(capsys: pytest.CaptureFixture[str], *words: str) -> dict:
    _, printed, complaint = ended(capsys, *words, "--format", "json")
    assert complaint == ""
    return json.loads(printed)


# What it says and how it ends.


@pytest.mark.parametrize(
    ("by", "words", "verdict", "status"),
    [
        (0.04, (), "better", 0),
        (-0.04, (), "worse", 1),
        (-0.04, ("--tolerance", "0.1"), "worse", 0),
        (-0.04, ("--tolerance", "0.05"), "worse", 1),  # the mean loss is 0.052
        (0.0, (), "within noise", 0),
        (0.0, ("--strict",), "within noise", 0),
    ],
)
def test_the_status_tells_a_regression_beyond_the_tolerance(
    place: Results,
    capsys: pytest.CaptureFixture[str],
    by: float,
    words: tuple[Any, ...],
    verdict: str,
    status: int,
) -> None:
    place.changed(by) if by else None
    code, printed, complaint = ended(capsys, "base", *words)
    assert (code, complaint) == (status, "")
    assert printed.startswith(f"<!-- brainseg compare -->\n### Test Dice: {verdict}\n\n**")
    told = json.loads(ended(capsys, "base", *words, "--format", "json")[1])
    assert (told["outcome"]["verdict"], told["regression"]) == (verdict, status == 1)


def test_what_a_reviewer_reads(place: Results, capsys: pytest.CaptureFixture[str]) -> None:
    base = place.git("rev-parse", "HEAD")
    place.write("stages/train.py", "two\n")
    place.write("params.yaml", "train: {lr: 1e-4, epochs: 8}\nsplit: {ratios: {test: 0.2}, folds: 5}\n")
    place.changed(-0.04, run=False)
    place.write(
        METRICS, (place.root / METRICS).read_text().replace('"val": {"dice": 0.8}', '"val": {"dice": 0.75}')
    )
    place.run(lr=1e-4)
    place.git("checkout", "-q", "-b", "a|b")
    head = place.commit()
    place.git("branch", "-f", "main", "base")
    assert ended(capsys, "main", "a|b") == (
        1,
        f"""<!-- brainseg compare -->
### Test Dice: worse

**0.600 → 0.548, difference −0.052 (95 % interval −0.058 to −0.046, Wilcoxon p = 0.016)**, 7 patients; \
the 95 % interval of the difference lies below 0.

BASE: `main`, `{base[:7]}`, Dice 0.600, 7 patients  
HEAD: `a¦b`, `{head[:7]}`, Dice 0.548, 7 patients

| mean over patients   |   BASE |   HEAD |   difference |    95 % interval |     p |
|:---------------------|-------:|-------:|-------------:|-----------------:|------:|
| `dice`               |  0.600 |  0.548 |       −0.052 | −0.058 to −0.046 | 0.016 |
| `hd95_mm` ↓          |   7.00 |   7.26 |        +0.26 |   +0.23 to +0.29 | 0.016 |

Paired by patient: BCa bootstrap intervals, Wilcoxon's p. Only Dice decides: of so many rows one stands out \
by chance. ↓: lower is better.

| changed most   |   BASE |   HEAD |   difference |
|:---------------|-------:|-------:|-------------:|
| `G`            |  0.300 |  0.236 |       −0.064 |
| `F`            |  0.400 |  0.340 |       −0.060 |
| `E`            |  0.500 |  0.444 |       −0.056 |
| `D`            |  0.600 |  0.548 |       −0.052 |
| `C`            |  0.700 |  0.652 |       −0.048 |

- Params: `train.lr` `0.002` → `0.0001`, `split.folds` none → `5`
- Data and model: the same
- Code: `stages/train.py`
- Other metrics: `evaluate.val.dice` `0.8` → `0.75`
""",
        "",
    )  # fmt: skip


def test_json_has_stable_keys(place: Results, capsys: pytest.CaptureFixture[str]) -> None:
    place.changed(-0.04)
    told = found(capsys, "base")
    assert list(told) == [
        "base", "head", "outcome", "tolerance", "regression", "warnings", "params", "data", "code", "others"
    ]  # fmt: skip
    assert list(told["outcome"]) == ["verdict", "reason", "metrics", "regions", "moved", "notes"]
    assert list(told["outcome"]["metrics"]["dice"]) == [
        "base", "head", "difference", "low", "high", "p", "pairs", "differing"
    ]  # fmt: skip
    assert list(told["outcome"]["moved"][0]) == ["patient", "region", "base", "head", "difference"]
    assert told["base"] == {
        "name": "base", "commit": place.git("rev-parse", "base"), "dice": pytest.approx(0.6), "patients": 7
    }  # fmt: skip


def test_a_file_is_written_whole_and_the_verdict_still_told(
    place: Results, capsys: pytest.CaptureFixture[str]
) -> None:
    place.changed(-0.04)
    status, printed, _ = ended(capsys, "base", "--out", "new/comparison.md")
    assert status == 1
    assert printed == (
        "worse: the 95 % interval of the difference lies below 0. Dice 0.600 → 0.548, "
        "difference −0.052 (95 % interval −0.058 to −0.046, Wilcoxon p = 0.016)\n"
    )
    assert (place.root / "new/comparison.md").read_text() == ended(capsys, "base")[1]
    assert [path.name for path in (place.root / "new").iterdir()] == ["comparison.md"]


def test_a_folder_is_no_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(capsys, "x", "--out", ".") == (2, "", "error: --out . is a folder; name a file\n")


# Not comparable: loud, and a failure with --strict.


def unlike(capsys: pytest.CaptureFixture[str], reason: str) -> None:
    status, printed, complaint = ended(capsys, "base")
    assert (status, complaint) == (0, "")
    heading = "<!-- brainseg compare -->\n### Test Dice: not comparable :warning:\n\n"
    told = reason[0].upper() + reason[1:].replace("_", "\\_")
    assert printed.startswith(f"{heading}**{told}.** Which of the two is better cannot be told.\n")
    assert "| dice" not in printed
    assert ended(capsys, "base", "--strict")[0] == 1
    assert found(capsys, "base")["outcome"]["reason"] == reason


def test_other_test_patients(place: Results, capsys: pytest.CaptureFixture[str]) -> None:
    place.scores({"A": 0.1, "B": 0.1, "X": 0.1})
    place.run(splits="9" * 32)
    place.commit()
    unlike(capsys, "other test patients: 5 only in BASE, 1 only in HEAD, 2 in both")
    printed = ended(capsys, "base")[1]
    assert "\nOver the 2 patients that both tested: 0.850 → 0.100.\n" in printed
    assert "\n- Data and model: `data/splits.csv` `2222222` → `9999999`\n" in printed


@pytest.mark.parametrize(
    ("mark", "reason"),
    [
        ("leaky", "only HEAD has a leaky split: patients of the test set were trained on"),
        (
            "box_labels",
            "only HEAD has boxes for labels: the Dice is agreement with boxes and not with outlines",
        ),
    ],
)
def test_a_mark_that_only_one_has(
    place: Results, capsys: pytest.CaptureFixture[str], mark: str, reason: str
) -> None:
    place.scores(DICE, {mark: True})
    place.run()
    place.commit()
    unlike(capsys, reason)


# Comparable, with something to know.


@pytest.mark.parametrize(
    ("marks", "told"),
    [
        ({"leaky": True}, "a leaky split: patients of the test set were trained on."),
        (
            {"box_labels": True},
            "boxes for labels: the Dice is agreement with boxes and not with outlines.",
        ),
        (
            {"patients_known": False},
            "a set that does not tell its patients: pictures that look alike count as one.",
        ),
        ({"spacing_known": False}, "an unknown spacing: 1 mm is assumed in every number in mm or ml."),
    ],
)
def test_marks_that_both_have(
    place: Results, capsys: pytest.CaptureFixture[str], marks: dict[str, bool], told: str
) -> None:
    for shift in (0, 0.04):
        place.scores({name: dice + shift for name, dice in DICE.items()}, marks)
        place.run()
        place.commit()
    result = found(capsys, "HEAD~1")
    assert (result["outcome"]["verdict"], result["warnings"]) == ("better", [f"BASE and HEAD: {told}"])


def test_marks_that_an_older_version_did_not_write_are_not_guessed(
    place: Results, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluated = json.loads((place.root / METRICS).read_text())
    place.write(METRICS, json.dumps({"test": evaluated["test"]}))
    place.run()
    place.commit()
    assert found(capsys, "base")["warnings"] == []


def test_other_data_with_the_same_patients(place: Results, capsys: pytest.CaptureFixture[str]) -> None:
    place.scores(DICE)
    place.run(raw="7" * 32)
    place.commit()
    result = found(capsys, "base")
    assert result["outcome"]["verdict"] == "within noise"
    assert result["warnings"] == ["The data changed (data/raw): a difference is theirs as well."]
    assert result["data"] == [{"name": "data/raw", "base": "1" * 32 + ".dir", "head": "7" * 32 + ".dir"}]


@pytest.mark.parametrize(
    ("name", "content", "first"),
    [
        ("stages/train.py", "another\n", "stages/train.py"),
        ("params.yaml", "train: {lr: 2e-3, epochs: 9}\n", "train.epochs"),
        ("params.yaml", "train: {lr: 2e-3}\n", "train.epochs"),
        (METRICS, '{"test": {"dice": 0.6}}', METRICS),
        ("params.yaml", "train: {lr: 0.002, epochs: 8}\nexport: {int8: true}\n", None),
        ("stages/report.py", "another\n", None),  # nothing of the test comes from it
    ],
)
def test_results_that_are_not_of_the_code_beside_them(
    place: Results, capsys: pytest.CaptureFixture[str], name: str, content: str, first: str | None
) -> None:
    place.write(name, content)
    place.commit()
    told = (
        f"HEAD: the results are not of what is committed with them: {first} changed since; "
        "run dvc repro and commit what that writes."
    )
    assert ended(capsys, "base")[0] == 0
    status, printed, _ = ended(capsys, "base", "--strict", "--format", "json")
    assert (status, json.loads(printed)["warnings"]) == ((1, [told]) if first else (0, []))
    # Of BASE it is told, but does not stop anyone.
    status, printed, _ = ended(capsys, "HEAD", "base", "--strict", "--format", "json")
    assert (status, json.loads(printed)["warnings"]) == (0, [told.replace("HEAD", "BASE")] if first else [])


def test_a_lock_file_of_two_runs(place: Results, capsys: pytest.CaptureFixture[str]) -> None:
    lock = place.root / "dvc.lock"
    lock.write_text(lock.read_text().replace("3" * 32, "4" * 32, 1))
    place.commit()
    (told,) = found(capsys, "base")["warnings"]
    assert "models/model.safetensors changed since" in told


def test_without_a_lock_file(place: Results, capsys: pytest.CaptureFixture[str]) -> None:
    place.git("rm", "-q", "dvc.lock")
    place.commit()
    assert found(capsys, "base")["warnings"] == [
        "HEAD: no dvc.lock says which data and code the results are of."
    ]


def test_metrics_and_cases_of_two_runs(place: Results, capsys: pytest.CaptureFixture[str]) -> None:
    before = (place.root / METRICS).read_bytes()
    place.changed(0.1)
    place.write(METRICS, before)
    place.run()
    place.commit()
    assert found(capsys, "base")["warnings"] == [
        "HEAD: metrics.json and per_case.csv tell of different runs."
    ]


def test_new_metrics_and_columns_are_read_by_name(place: Results, capsys: pytest.CaptureFixture[str]) -> None:
    """A version that writes more, or in another order, is compared in what both have."""
    place.scores(DICE, detection_f1=0.5, patients=7, regions={"x": {"dice": 1}}, empty_truth=1)
    table = (place.root / CASES).read_text().splitlines()
    table = [table[0] + ",detection_f1"] + [f"{line},0.5" for line in table[1:]]
    place.write(CASES, "".join(",".join(reversed(line.split(","))) + "\n" for line in table))
    place.run()
    place.commit()
    result = found(capsys, "base")
    assert list(result["outcome"]["metrics"]) == ["dice", "hd95_mm"]
    assert [change["name"] for change in result["others"]] == [
        "evaluate.test.detection_f1", "evaluate.test.patients", "evaluate.test.empty_truth"
    ]  # fmt: skip


@pytest.mark.parametrize("distance", ["", "nan", "inf"])
def test_a_distance_that_is_not_known_makes_no_pair(
    place: Results, capsys: pytest.CaptureFixture[str], distance: str
) -> None:
    place.write(CASES, (place.root / CASES).read_text().replace(",5.5,", f",{distance},"))
    place.commit()
    pairs = {name: one["pairs"] for name, one in found(capsys, "base")["outcome"]["metrics"].items()}
    assert pairs == {"dice": 7, "hd95_mm": 6}
    assert "| `hd95_mm` ↓ |" not in ended(capsys, "base")[1]  # nothing changed


# What a user may get wrong.


def test_experiments_are_compared_by_name(place: Results, capsys: pytest.CaptureFixture[str]) -> None:
    base = place.git("rev-parse", "HEAD")
    place.git("checkout", "-q", "--detach")
    place.changed(0.04)
    place.git("update-ref", f"refs/exps/{base[:2]}/{base[2:]}/wavy-lynx", "HEAD")
    place.git("checkout", "-q", "main")
    assert found(capsys, "wavy-lynx", "base")["outcome"]["verdict"] == "worse"
    assert found(capsys, "base", "wavy-lynx")["head"]["name"] == "wavy-lynx"


@pytest.mark.parametrize("name", [METRICS, CASES])
def test_results_that_are_not_committed_are_not_passed_over(
    place: Results, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    place.write(name, (place.root / name).read_text() + "\n")
    assert ended(capsys, "base") == (
        2,
        "",
        f"error: {name} is not as HEAD has it, and only commits are compared; commit it, or give HEAD as the "
        "second revision to compare what is committed\n",
    )
    assert ended(capsys, "base", "HEAD")[0] == 0
    place.git("checkout", "-q", name)
    place.write("stages/train.py", "in the middle of it")
    assert ended(capsys, "base")[0] == 0


@pytest.mark.parametrize("name", [METRICS, CASES])
def test_a_revision_without_results(place: Results, capsys: pytest.CaptureFixture[str], name: str) -> None:
    place.git("rm", "-q", name)
    commit = place.commit("none")[:7]
    way_out = "check it out, run `dvc repro` and commit what that writes"
    assert ended(capsys, "base", "HEAD") == (2, "", f"error: HEAD ({commit}) has no {name}; {way_out}\n")
    assert ended(capsys, "main", "base") == (2, "", f"error: main ({commit}) has no {name}; {way_out}\n")


TRAINED = "reports/train/metrics.json"
HEADER = "case_id,patient_id,region,slices,dice,truth_ml\n"
BACK = "correct it there and commit"


@pytest.mark.parametrize(
    ("name", "content", "told", "way_out"),
    [
        (METRICS, "{", " is not a JSON object", AGAIN),
        (METRICS, "[1]", " is not a JSON object", AGAIN),
        (METRICS, "", " is not a JSON object", AGAIN),
        (METRICS, "[" * 100_000, " is not a JSON object", AGAIN),
        (TRAINED, "<<<<<<< HEAD", " is not a JSON object", AGAIN),
        (METRICS, "{}", " has no number test.dice", AGAIN),
        (METRICS, '{"test": {"dice": NaN}}', " has no number test.dice", AGAIN),
        (METRICS, '{"test": {"dice": true}}', " has no number test.dice", AGAIN),
        (METRICS, b"\xff", " is not text", "restore it and commit"),
        (CASES, "", " is not a table", AGAIN),
        (CASES, f'{HEADER}a,"b', " is not a table", AGAIN),
        (CASES, f"{HEADER}a,b,c,1,0.5,1\na,b,c,1,0.5,1,7,8\n", " is not a table", AGAIN),
        (CASES, f"{HEADER}a,b,c,1,0.5,1,9\n", " is not a table", AGAIN),
        (CASES, "case_id,region,dice\n", " lacks the column patient_id", AGAIN),
        (CASES, HEADER, " lists no case", AGAIN),
        (
            CASES,
            f"{HEADER}a,b,c,1,0.5,1\nd,b,c,1,1.5,1\n",
            ", line 3: dice is '1.5', not a number from 0 to 1",
            AGAIN,
        ),
        (CASES, f"{HEADER}a,b,c,1,,1\n", ", line 2: dice is '', not a number from 0 to 1", AGAIN),
        (CASES, f"{HEADER}a,b,c,1,inf,1\n", ", line 2: dice is 'inf', not a number from 0 to 1", AGAIN),
        (CASES, f'{HEADER}a,b,c,1,"x\ny",1\n', r", line 2: dice is 'x\ny', not a number from 0 to 1", AGAIN),
        (CASES, f"{HEADER}a,b,c,1,0.5\n", ", line 2: truth_ml is '', not a finite number", AGAIN),
        (CASES, f"{HEADER}a,,c,1,0.5,1\n", ", line 2: patient_id is '', not a name", AGAIN),
        (CASES, f"{HEADER}a,b,c,1,0.5,1\na,b,c,2,0.7,1\n", " lists c of case a twice", AGAIN),
        ("params.yaml", "a: [", " is not a YAML mapping", BACK),
        ("params.yaml", "- a", " is not a YAML mapping", BACK),
        ("params.yaml", "a: &b {c: *b}", " is not a YAML mapping", BACK),
        ("dvc.lock", "<<<<<<< HEAD\n", " is not a YAML mapping", BACK),
        ("dvc.lock", "stages: [1]", " is not what DVC writes", "run `dvc repro` there and commit it"),
    ],
)
def test_a_revision_with_damaged_results(
    place: Results,
    capsys: pytest.CaptureFixture[str],
    name: str,
    content: bytes | str,
    told: str,
    way_out: str,
) -> None:
    place.write(name, content)
    commit = place.commit()
    out = place.root / "out.md"
    sentence = f"error: {name} of HEAD ({commit[:7]}){told}; {way_out}\n"
    assert ended(capsys, "base", "--out", str(out)) == (2, "", sentence)
    assert not out.exists()


def test_an_unknown_revision(place: Results, capsys: pytest.CaptureFixture[str]) -> None:
    told = "error: there is no revision or experiment nope; `git branch -a` and `dvc exp show` list them\n"
    assert ended(capsys, "nope") == ended(capsys, "base", "nope") == (2, "", told)


def test_outside_a_repository(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    for words in (("base",), ("base", "HEAD")):
        status, printed, complaint = ended(capsys, *words)
        assert (status, printed, complaint.count("\n")) == (2, "", 1)
        assert complaint.startswith("error: git ")
        assert complaint.endswith("; run this in a clone of the project\n")


@pytest.mark.parametrize("tolerance", ["-0.1", "1.5", "much"])
def test_a_tolerance_is_a_dice(place: Results, capsys: pytest.CaptureFixture[str], tolerance: str) -> None:
    status, printed, complaint = ended(capsys, "base", "--tolerance", tolerance)
    assert (status, printed) == (2, "")
    assert "--tolerance" in complaint


def test_values_that_json_does_not_know(place: Results, capsys: pytest.CaptureFixture[str]) -> None:
    place.write("params.yaml", "train: {lr: 2e-3, epochs: 8, since: 2024-01-01, x: .nan, y: [a, 1]}\n")
    place.commit()
    told = {change["name"]: change["head"] for change in found(capsys, "base")["params"]}
    assert told == {
        "split.ratios.test": None,
        "train.since": "2024-01-01",
        "train.x": "nan",
        "train.y": ["a", 1],
    }


@pytest.mark.parametrize(
    ("empty", "told"),
    [
        (
            7,
            "none of the test patients has a labelled pixel, so that a Dice of 1 means no false",
        ),
        (2, "2 of 7 test patients have no labelled pixel; they count as 1 where nothing was predicted, else"),
    ],
)
def test_test_patients_without_tumour_are_told_of(
    place: Results, capsys: pytest.CaptureFixture[str], empty: int, told: str
) -> None:
    for shift in (0, 0.04):
        place.scores({name: dice + shift for name, dice in DICE.items()})
        path = place.root / CASES
        lines = path.read_text().splitlines()
        lines[1 : 1 + empty] = [line.replace(",7,8,x", ",0,8,x") for line in lines[1 : 1 + empty]]
        path.write_text("\n".join(lines) + "\n")
        place.run()
        place.commit()
    (warning,) = found(capsys, "HEAD~1")["warnings"]
    assert warning.startswith(f"BASE and HEAD: {told} ")
    assert f"- {warning}\n" in ended(capsys, "HEAD~1")[1]
    assert found(capsys, "base")["warnings"] == [warning.removeprefix("BASE and ")]


@pytest.mark.parametrize("words", [("base",), ("base", "HEAD")])
def test_a_repository_of_another_user(
    place: Results,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[Any, ...],
) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    status, printed, complaint = ended(capsys, *words)
    top = place.root.parents[1]
    assert (status, printed) == (2, "")
    assert complaint == (
        "error: the repository belongs to another user, and git does not read it; run "
        f"`git config --global --add safe.directory {top}` if you trust what is in it\n"
    )
