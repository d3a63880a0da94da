"""Presets: what is shipped is valid and survives a shell; `--run` plans, resumes and tells, without DVC."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from pydantic import ValidationError

from stages.commands import preset
from stages.core import errors
from stages.core.errors import UserError
from stages.experiments import arms, experiment, recipe
from stages.experiments.recipe import Preset
from tests.fixtures.dvc_stand_in import Place

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "params.yaml"


def ended(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[object, str, str]:
    """Exit status, stdout and stderr of `brainseg preset <words>`."""
    with pytest.raises(SystemExit) as end:
        errors.run(lambda: preset.app(list(words), prog_name="brainseg preset"))
    return end.value.code or 0, *capsys.readouterr()


def value(params: object, key: str) -> object:
    for part in key.split("."):
        params = getattr(params, "validate_" if part == "validate" else part)
    return params


# What is shipped.


@pytest.mark.parametrize("name", recipe.names())
def test_a_shipped_preset_is_valid_over_the_shipped_params(name: str) -> None:
    found = recipe.load(name)
    for arm in found.arms.values() or [{}]:
        chosen = experiment.resolved(recipe.words(found.overrides | arm), SHIPPED)
        for key, wanted in (found.overrides | arm).items():
            assert value(chosen, key) == wanted


@pytest.mark.parametrize("name", recipe.names())
def test_what_is_printed_survives_the_shell(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, printed, complaint = ended(capsys, name)
    assert (status, complaint, printed.count("\n")) == (0, "", 1)
    shell = subprocess.run(
        ["sh", "-c", f"printf '%s\\n' {printed}"], capture_output=True, text=True, check=True
    )
    assert shell.stdout.split() == printed.split() == shlex.split(printed)
    assert printed.split()[::2] == ["-S"] * len(recipe.load(name).overrides)
    assert printed.split()[1::2] == recipe.words(recipe.load(name).overrides)


def test_the_leak_tax_compares_two_divisions_and_nothing_else() -> None:
    found = recipe.load("leak-tax")
    assert found.arms == {"patient": {"split.strategy": "patient"}, "slice": {"split.strategy": "slice"}}
    assert found.overrides["split.folds"] == 5


def test_without_a_name_each_preset_is_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    status, printed, _ = ended(capsys)
    assert status == 0
    assert [line for line in printed.splitlines() if not line.startswith(" ")] == recipe.names()
    assert "10.1038/s41598-021-01681-w" in printed
    assert "    published: test IoU 0.806\n" in printed
    for name in recipe.names():
        assert f"{name}\n    {recipe.load(name).about}\n    protocol: " in printed


PUBLISHED = {name: found for name in recipe.names() if (found := recipe.load(name).published)}


def test_the_published_systems_are_there() -> None:
    numbers = {name: published.value for name, published in PUBLISHED.items()}
    assert numbers == {
        "brats-2.5d": 0.85,
        "brats-3d": 0.9124,
        "brats-dice": 0.84,
        "coco-resnet34": 0.806,
        "figshare-deeplabv3plus": None,
        "figshare-unet": None,
        "lgg-256": None,
        "lgg-bce": 0.59,
        "lgg-bce-dice": 0.59,
        "lgg-combo": None,
        "lgg-focal-tversky": None,
        "lgg-pretrained": None,
        "lgg-unet": None,
    }


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_system_can_be_divided_as_it_was(name: str) -> None:
    overrides, published = recipe.load(name).overrides, PUBLISHED[name]
    assert not published.as_published.keys() & overrides.keys()
    experiment.resolved([*recipe.words(overrides), *recipe.words(published.as_published)], SHIPPED)
    kept = json.loads((ROOT / "reports/evaluate/metrics.json").read_text())
    for part in published.ours.split("."):
        kept = kept[part]
    assert isinstance(kept, float)


# What a preset may hold.


@pytest.mark.parametrize(
    ("key", "given", "word"),
    [
        ("train.lr", 1e-5, "train.lr=1e-05"),
        ("train.epochs", 100, "train.epochs=100"),
        ("export.int8", False, "export.int8=false"),
        ("split.folds", None, "split.folds=null"),
        ("train.encoder_weights", "imagenet", "train.encoder_weights=imagenet"),
        ("preprocess.channels", ["flair", "t1"], "preprocess.channels=[flair,t1]"),
        ("train.spacing", [6.0, 2.5, 2.5], "train.spacing=[6.0,2.5,2.5]"),
        ("ingest.location", "kaggle:o/n/versions/2", None),
        ("train.arch", "two words", None),
        ("train.arch", "$(rm)", None),
        ("train.arch", "a,b", None),
        ("train.lr x", 1, None),
        ("+train.lr", 1, None),
        ("preprocess.channels", ["*"], None),
    ],
)
def test_a_value_is_written_as_dvc_reads_it_or_refused(key: str, given: object, word: str | None) -> None:
    if word is None:
        with pytest.raises(ValidationError):
            Preset.model_validate({"about": "x", "overrides": {key: given}})
    else:
        found = Preset.model_validate({"about": "x", "overrides": {key: given}})
        assert recipe.words(found.overrides) == [word]
        assert value(experiment.resolved([word], SHIPPED), key) == given


@pytest.mark.parametrize("more", [{"override": {}}, {"arms": {"a b": {}}}, {"about": 3}, {"arms": [1]}])
def test_a_slip_in_a_preset_is_found(more: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Preset.model_validate({"about": "x", "overrides": {}} | more)


# What a user may get wrong: told before git or DVC is asked anything.


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["leek-tax"], "no preset is called leek-tax; did you mean leak-tax?"),
        (["xyz"], f"no preset is called xyz; there are {', '.join(recipe.names())}"),
        (["../params"], f"no preset is called ../params; there are {', '.join(recipe.names())}"),
        (["--run"], "options go with a preset; `brainseg preset` lists what there is"),
        (
            ["leak-tax", "-S", "train.lr=1"],
            "-S goes with --run; without it, give it to `dvc exp run` itself",
        ),
        (["leak-tax", "--run", "-S", "train.epohs=1"], "-S: unknown key train.epohs; did you mean epochs?"),
        (
            ["leak-tax", "--run", "-S", "train.epochs=many"],
            "-S: train.epochs must be a whole number, not 'many'",
        ),
        (
            ["leak-tax", "--run", "-S", "train.lr=1e-3,1e-4"],
            "DVC cannot read -S split.folds=5 -S evaluate.postprocess=none -S train.lr=1e-3,1e-4; "
            "give section.key=value",
        ),
        (
            ["leak-tax", "--run", "-S", "split.strategy=source"],
            "leak-tax --run sets split.strategy itself; leave it out",
        ),
        (["table", "--location", "lgg"], "--location lgg must be source=path, such as lgg=scans.zip"),
        (["table", "--run"], "--run needs data; give --location source=path for each source there is"),
        (
            ["leak-tax", "--location", "lgg=x.zip"],
            "--location goes with `brainseg preset table`; elsewhere use -S ingest.location=...",
        ),
        (["lgg-bce", "--arm", "x"], "--arm and --seeds go with --run of a preset that compares"),
        (["table", "--run", "--seeds", "2"], "--arm and --seeds go with --run of a preset that compares"),
        (["leak-tax", "--run", "--arm", "x"], "leak-tax has no arm x; it has patient, slice"),
        (
            ["leak-tax", "--run", "--seeds", "2", "-S", "train.seed=1"],
            "leak-tax --run sets train.seed itself; leave it out",
        ),
        (["leak-tax", "--run", "-S", "split.fold=1"], "leak-tax --run sets split.fold itself; leave it out"),
    ],
)  # fmt: skip
def test_slips_are_told_in_a_sentence(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert ended(capsys, *words) == (2, "", f"error: {told}\n")


def test_a_preset_without_arms_is_not_for_comparing() -> None:
    with pytest.raises(UserError, match=re.escape("run it with: dvc exp run $(brainseg preset lone)")):
        arms.compare("lone", Preset(about="x", overrides={}), [])


# `--run`, with a program in DVC's place.


RUN = ("leak-tax", "--run", "-S", "split.folds=3", "-S", "train.epochs=2")


def test_every_fold_of_both_arms_is_run_once_and_told(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    status, printed, complaint = ended(capsys, *RUN)
    assert (status, complaint) == (0, "")
    assert place.asked() == [
        f'["leak-tax-{arm}-{fold}", {{"split.folds": "3", "evaluate.postprocess": "none", '
        f'"train.epochs": "2", "split.strategy": "{arm}", "split.fold": "{fold}"}}]'
        for arm in ("patient", "slice")
        for fold in range(3)
    ]
    assert printed.startswith("`brainseg preset leak-tax --run -S split.folds=3 -S train.epochs=2`\n")
    head = place.git("rev-parse", "HEAD")[:7]
    assert (
        "Data: sample, 4 patients, 24 slices. Folds: 3. Seeds: ingest 0, split 0, train 0. "
        f"Epochs: 2. Commit: {head}.\n"
    ) in printed
    rows = cells(printed)
    assert rows[0] == [
        "arm",
        "Dice",
        "interval",
        "minus patient",
        "interval",
        "sd, folds",
        "sd, seeds",
        "worst",
    ]
    # The folds test patients 0 and 3, 1, 2: means of 0.65, 0.6 and 0.7.
    assert [rows[2][number] for number in (0, 1, 3, 4, 5, 6, 7)] == [
        "patient",
        "0.650",
        "",
        "",
        "0.050",
        "",
        "0.500",
    ]
    assert [rows[3][number] for number in (0, 1, 3, 6, 7)] == ["slice", "0.700", "+0.050", "", "0.520"]
    low, high = (float(end) for end in rows[3][4].split(" to "))
    assert 0.02 <= low < 0.05 < high <= 0.08
    alone = "`brainseg preset leak-tax --run -S split.folds=3 -S train.epochs=2 --arm"
    assert rows[4:] == [
        ["arm", "what it changes", "to run it alone"],
        ["---"] * 3,
        ["patient", "`-S split.strategy=patient`", f"{alone} patient`"],
        ["slice", "`-S split.strategy=slice`", f"{alone} slice`"],
        ["patient", "slices", "patient", "slice", "slice minus patient"],
        ["---"] * 5,
        ["007", "6", "0.500", "0.520", "+0.020"],
        ["NA", "6", "0.600", "0.640", "+0.040"],
        ["p 2", "6", "0.700", "0.760", "+0.060"],
        ["p3", "6", "0.800", "0.880", "+0.080"],
    ]

    assert ended(capsys, *RUN) == (0, printed, "")
    assert place.asked() == []


def cells(printed: str) -> list[list[str]]:
    """Of every row of every table; the line below a head as dashes alone, whatever its columns' widths."""
    lines = [re.sub(r"\|:?-+:?(?=\|)", "|---", line) for line in printed.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_one_arm_is_trained_with_several_seeds(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    status, printed, _ = ended(capsys, *RUN, "--seeds", "2", "--arm", "slice")
    assert status == 0
    asked = [json.loads(line) for line in place.asked()]
    assert [name for name, _ in asked] == [
        f"leak-tax-slice{seed}-{fold}" for seed in ("", "-s1") for fold in range(3)
    ]
    assert [given.get("train.seed") for _, given in asked] == [None] * 3 + ["1"] * 3
    assert {given["split.strategy"] for _, given in asked} == {"slice"}
    command = "brainseg preset leak-tax --run -S split.folds=3 -S train.epochs=2 --seeds 2 --arm slice"
    assert printed.startswith(f"`{command}`\n")
    assert "Seeds: ingest 0, split 0, train 0, 1." in printed
    rows = cells(printed)
    # The second seed is 0.05 lower for every patient: sd 0.05 / sqrt 2.
    assert [rows[2][number] for number in (0, 1, 3, 6)] == ["slice", "0.675", "", "0.035"]
    assert rows[5][2] == f"`{command}`"
    assert rows[8] == ["007", "6", "0.495"]

    # Both arms together run what is not there yet.
    status, printed, _ = ended(capsys, *RUN, "--seeds", "2")
    assert (status, len(place.asked())) == (0, 6)
    assert [row[:2] for row in cells(printed)[2:4]] == [["patient", "0.625"], ["slice", "0.675"]]


TABLE = ("table", "--location", "lgg=a.zip", "--location", "pairs=b.zip", "-S", "train.epochs=1")


def test_the_table_reads_what_is_there_and_runs_what_it_has_data_for(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    status, printed, complaint = ended(capsys, *TABLE)
    assert (status, complaint, place.asked()) == (0, "", [])
    rows = cells(printed)[2:]
    assert [row[0] for row in rows] == [f"`{name}`" for name in PUBLISHED]
    assert {cell for row in rows for cell in row[2:]} == {"not run"}
    assert {len(row) for row in rows} == {4}
    assert "Data: lgg from a.zip, pairs from b.zip. All with -S train.epochs=1.\n" in printed

    status, printed, _ = ended(capsys, *TABLE, "--run")
    assert status == 0
    assert {len(row) for row in cells(printed)} == {4}
    by_name = {row[0].strip("`"): row[1:] for row in cells(printed)}
    asked = [json.loads(line) for line in place.asked()]
    assert len(asked) == 2 * len([name for name in PUBLISHED if name.startswith(("lgg", "figshare"))])
    for name, given in asked:
        assert given["ingest.location"] == ("a.zip" if name.startswith("lgg") else "b.zip")
        assert given["train.epochs"] == "1"
        assert (given["split.strategy"] == "patient") == name.endswith("-by-patient")
    assert by_name["coco-resnet34"] == ["test IoU 0.806", "not run", "not run"]
    assert by_name["lgg-bce"] == [
        "validation Dice, about 0.59",
        "conventions.pooled_dice 0.613 (leaky)",
        "0.500 (0.250 to 0.750)",
    ]
    assert by_name["figshare-unet"][1:] == [
        "conventions.positive_slice_dice 0.800 (leaky)",
        "0.500 (0.250 to 0.750); patients not known, near-duplicates held together",
    ]
    assert ended(capsys, *TABLE) == (0, printed, "")
    assert place.asked() == []


def test_another_value_code_or_commit_makes_other_experiments(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    ended(capsys, *RUN)
    assert len(place.asked()) == 6
    ended(capsys, *RUN, "-S", "train.lr=1e-4")
    assert len(place.asked()) == 6
    (place.root / "params.yaml").write_text(SHIPPED.read_text().replace("dropout: 0.0", "dropout: 0.5"))
    ended(capsys, *RUN)
    assert len(place.asked()) == 6
    place.git("checkout", "params.yaml")
    (place.root / "stages/train.py").write_text("two\n")
    assert "+changes." in ended(capsys, *RUN)[1]
    assert len(place.asked()) == 6
    place.commit()
    assert "+changes." not in ended(capsys, *RUN)[1]
    assert len(place.asked()) == 6
    # A comment, or an override of what params.yaml says, is the same experiment.
    (place.root / "params.yaml").write_text(SHIPPED.read_text() + "# a thought\n")
    ended(capsys, *RUN, "-S", "train.lr=0.002")
    assert place.asked() == []


def test_a_failed_experiment_is_told_and_the_finished_ones_are_kept(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    (place.root / "fail").touch()
    status, printed, complaint = ended(capsys, *RUN)
    assert (status, printed) == (2, "")
    assert "Running stage 'train'" in complaint
    last = complaint.splitlines()[-1]
    assert re.fullmatch(r"error: experiment leak-tax-patient-1-\w{8} failed: the disc melted; cool it", last)
    assert len(place.asked()) == 2
    (place.root / "fail").unlink()
    (place.root / "kill").touch()
    last = ended(capsys, *RUN)[2].splitlines()[-1]
    assert re.fullmatch(r"error: experiment leak-tax-patient-2-\w{8} failed: DVC ended with status -9", last)
    assert len(place.asked()) == 2
    (place.root / "kill").unlink()
    assert ended(capsys, *RUN)[0] == 0
    missing = ["patient-2", "slice-0", "slice-1", "slice-2"]
    assert [line.split('"')[1] for line in place.asked()] == [f"leak-tax-{one}" for one in missing]


def test_control_c_waits_until_dvc_has_put_the_work_tree_back(place: Place) -> None:
    assert place.interrupted("preset", *RUN) == 130
    assert (place.root / "tidied").exists()


def test_without_a_commit_there_is_no_experiment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copyfile(SHIPPED, tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    status, _, complaint = ended(capsys, *RUN)
    assert status == 2
    assert complaint.startswith("error: git rev-parse failed (")
    assert complaint.count("\n") == 1
