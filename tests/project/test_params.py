"""params.yaml: what is shipped is right, and every slip is told in one sentence that names the key."""

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stages.core.errors import UserError
from stages.fingerprints import fingerprint
from stages.project import params

SHIPPED = (Path(__file__).parents[2] / "params.yaml").read_text(encoding="utf-8")
TRAIN = ", ".join(params.Train.model_fields)


def changed(section: str, key: str, line: str) -> str:
    """The shipped file with the line of `section.key` replaced by `line`."""
    pattern = rf"(^{section}:\n(?:  .*\n)*?)  {key}:.*\n"
    text, count = re.subn(pattern, lambda match: f"{match[1]}  {line}\n", SHIPPED, flags=re.MULTILINE)
    assert count == 1
    return text


def complaint(folder: Path, text: str) -> str:
    """What a user is told of a params.yaml with this text, from the file's name on."""
    (folder / "params.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as refused:
        params.load(params.Split, folder / "params.yaml")
    return str(refused.value).removeprefix(f"{folder}/")


def test_the_shipped_file_is_valid_and_gives_typed_sections() -> None:
    everything = params.read(Path(__file__).parents[2] / "params.yaml")
    assert isinstance(everything.train.lr, float)
    assert everything.split.ratios.train + everything.split.ratios.val + everything.split.ratios.test == 1
    assert isinstance(
        params.load(params.Validate, Path(__file__).parents[2] / "params.yaml"), params.Validate
    )


def test_the_last_epoch_and_an_early_stop_exclude_each_other(tmp_path: Path) -> None:
    text = changed("train", "patience", "patience: 3").replace("  keep: best", "  keep: last")
    assert complaint(tmp_path, text) == (
        "params.yaml: train: keep last needs patience null: an early stop makes the last epoch a poor one"
    )


def test_every_key_of_the_shipped_file_is_needed(tmp_path: Path) -> None:
    """params.yaml is the only place with defaults: a line left out is asked for by name."""
    section = ""
    lines = SHIPPED.splitlines(keepends=True)
    for number, line in enumerate(lines):
        section = line.split(":")[0] if re.match(r"\w", line) else section
        if match := re.match(r"  (\w+):", line):
            text = "".join(lines[:number] + lines[number + 1 :])
            wanted = (
                f"params.yaml: {section}.{match[1]} is missing; add it (git shows the file as it was shipped)"
            )
            assert complaint(tmp_path, text) == wanted


@pytest.mark.parametrize("written", ["1e-4", "1.0E-4", "0.0001", "1e-04"])
def test_scientific_notation_is_a_number(tmp_path: Path, written: str) -> None:
    (tmp_path / "p.yaml").write_text(changed("train", "lr", f"lr: {written}"))
    assert params.load(params.Train, tmp_path / "p.yaml").lr == 1e-4


def test_pictures_may_differ_in_all_bits_of_their_hash(tmp_path: Path) -> None:
    bits = fingerprint.SIDE**2
    (tmp_path / "p.yaml").write_text(
        changed("validate", "near_duplicate_bits", f"near_duplicate_bits: {bits}")
    )
    assert params.load(params.Validate, tmp_path / "p.yaml").near_duplicate_bits == bits == 576


@pytest.mark.parametrize(
    ("section", "key", "line", "sentence"),
    [
        ("train", "lr", 'lr: "abc"', "train.lr must be a number, not 'abc'"),
        ("train", "lr", "lr: 0", "train.lr must be greater than 0, not 0"),
        ("train", "lr", "lr: .inf", "train.lr must be a finite number, not inf"),
        ("train", "lr", "lr: yes", "train.lr must be a number, not 'yes'"),
        ("train", "lr", "lr:", "train.lr must be a number, not None"),
        ("train", "epochs", "epochs: 1.5", "train.epochs must be a whole number, not 1.5"),
        (
            "train",
            "schedule",
            "schedule: plateau",
            "train: schedule plateau needs patience, a number of epochs",
        ),
        ("train", "epochs", "epochs: true", "train.epochs must be a whole number, not True"),
        ("train", "epochs", "epochs: 0", "train.epochs must be greater than or equal to 1, not 0"),
        (
            "train",
            "devices",
            "devices: 0",
            "train.devices must be 'auto' or greater than or equal to 1, not 0",
        ),
        ("train", "devices", "devices: all", "train.devices must be 'auto' or a whole number, not 'all'"),
        ("train", "epochs", "epoch: 8", "unknown key train.epoch; did you mean epochs?"),
        ("train", "lr", "lr: 1e-3\n  learning: 1", f"unknown key train.learning; known here are {TRAIN}"),
        ("preprocess", "size", "size: 100", "preprocess.size must be a multiple of 32, not 100"),
        ("preprocess", "size", "size: 0", "preprocess.size must be greater than or equal to 32, not 0"),
        (
            "preprocess",
            "channels",
            "channels: flair",
            "preprocess.channels must be 'all' or 'gray' or a list, not 'flair'",
        ),
        (
            "ingest",
            "source",
            "source: LGG",
            "ingest.source must be 'sample', 'lgg', 'coco', 'pairs', 'brats', 'nnunet', 'nifti' or "
            "'corrections', not 'LGG'",
        ),
        ("ingest", "location", "location: 7", "ingest.location must be text, not 7"),
        (
            "ingest",
            "categories",
            "categories: glioma",
            "ingest.categories must be a list, not 'glioma'",
        ),
        (
            "ingest",
            "categories",
            "categories: [true]",
            "ingest.categories must be text or a whole number, not True",
        ),
        ("ingest", "seed", "seed: -1", "ingest.seed must be greater than or equal to 0, not -1"),
        (
            "split",
            "ratios",
            "ratios: {train: 0.6, val: 0.2, test: 0.3}",
            "split.ratios: train, val and test must sum to 1, not 1.1",
        ),
        ("split", "ratios", "ratios: 0.6", "split.ratios must hold keys and values, not 0.6"),
        (
            "validate",
            "near_duplicate_bits",
            "near_duplicate_bits: 577",
            "validate.near_duplicate_bits must be less than or equal to 576, not 577",
        ),
        (
            "split",
            "ratios",
            "ratios: {train: 0.6, val: 0.4}",
            "split.ratios.test is missing; add it (git shows the file as it was shipped)",
        ),
        (
            "split",
            "ratios",
            "ratios: {train: 0.6, valid: 0.2, test: 0.2}",
            "unknown key split.ratios.valid; did you mean val?",
        ),
        (
            "split",
            "ratios",
            "ratios: {train: 1, val: 0.0, test: 0.0}",
            "split.ratios.train must be less than 1, not 1",
        ),
        ("split", "folds", "folds: 2", "split.folds must be greater than or equal to 3, not 2"),
        (
            "evaluate",
            "threshold",
            "threshold: 1.5",
            "evaluate.threshold must be 'auto' or less than 1, not 1.5",
        ),
        (
            "evaluate",
            "postprocess",
            "postprocess: most",
            "evaluate.postprocess must be 'auto' or 'none' or a number, not 'most'",
        ),
        ("export", "int8", "int8: 1", "export.int8 must be true or false, not 1"),
    ],
)
def test_a_slip_is_told_by_its_key(tmp_path: Path, section: str, key: str, line: str, sentence: str) -> None:
    assert complaint(tmp_path, changed(section, key, line)) == f"params.yaml: {sentence}"


def test_a_fold_out_of_range(tmp_path: Path) -> None:
    text = changed("split", "folds", "folds: 5").replace("  fold: 0\n", "  fold: 5\n")
    wanted = "params.yaml: split: fold 5 does not exist among 5 folds, counted from 0"
    assert complaint(tmp_path, text) == wanted
    (tmp_path / "ok.yaml").write_text(text.replace("  fold: 5\n", "  fold: 4\n"))
    assert params.load(params.Split, tmp_path / "ok.yaml").fold == 4


def test_a_misspelt_section(tmp_path: Path) -> None:
    text = SHIPPED.replace("\ntrain:", "\ntrian:")
    assert complaint(tmp_path, text) == "params.yaml: unknown key trian; did you mean train?"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "params.yaml: the file must hold keys and values, not None"),
        ("- 1", "params.yaml: the file must hold keys and values, not [1]"),
        ("ingest: [", "params.yaml is not valid YAML near line 1; correct it there"),
        ("a: 1\n\tb: 2", "params.yaml is not valid YAML near line 2; correct it there"),
        ("a: 1\na: 2", "params.yaml is not valid YAML near line 2; correct it there"),
        ("day: 2024-02-30", "params.yaml is not valid YAML; correct it there"),
        ("a: !!python/object:os.system {}", "params.yaml is not valid YAML near line 1; correct it there"),
    ],
)
def test_what_is_no_params_file(tmp_path: Path, text: str, sentence: str) -> None:
    assert complaint(tmp_path, text) == sentence


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_bytes(b"a: \xff\xfe")
    with pytest.raises(UserError) as refused:
        params.read(tmp_path / "p.yaml")
    assert str(refused.value) == f"{tmp_path}/p.yaml is not valid YAML; correct it there"


def test_a_missing_file_says_where_it_was_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as refused:
        params.load(params.Split)
    assert str(refused.value) == f"params.yaml is not in {tmp_path}; run this command in the project's folder"


def test_a_slip_in_a_late_section_is_told_to_the_first_stage(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(changed("export", "opset", "opset: 9"))
    with pytest.raises(UserError, match=r"p.yaml: export.opset must be greater than or equal to 18, not 9$"):
        params.load(params.Ingest, tmp_path / "p.yaml")


VALUES = [
    "1",
    "-1",
    "0.5",
    ".nan",
    ".inf",
    "1e999",
    "0o9",
    "x",
    "yes",
    "null",
    "[]",
    "[1, a]",
    "{}",
    "{a: 1}",
    "'",
]
VALUES += [
    "2024-02-30",
    "2024-01-01",
    "*a",
    "&a 1",
    "!!int x",
    "!!bool q",
    "!!float 1_",
    '"',
    "|",
    "- a",
    "%",
    "\x07",
]


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(line=st.integers(0, SHIPPED.count("\n")), value=st.sampled_from(VALUES))
def test_whatever_a_line_holds_the_answer_is_params_or_one_sentence(
    tmp_path: Path, line: int, value: str
) -> None:
    lines = SHIPPED.split("\n")
    key = lines[line].partition(":")[0]
    lines[line] = f"{key}: {value}"
    (tmp_path / "p.yaml").write_text("\n".join(lines))
    sentence = f"{tmp_path}/p.yaml"
    try:
        assert isinstance(params.read(tmp_path / "p.yaml"), params.Params)
    except UserError as error:
        sentence = str(error)
    assert sentence.startswith(f"{tmp_path}/p.yaml")
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("chosen", "sentence"),
    [
        ({"dims": 3}, "dims 3 needs window, e.g. [16, 128, 128]: slices, rows and columns"),
        (
            {"dims": 3, "window": "[4, 8, 8]"},
            "arch unet is for dims 2; choose dynunet, segresnet, basicunet, unetr",
        ),
        (
            {"dims": 3, "window": "[4, 8, 8]", "arch": "dynunet"},
            "encoder_weights is for dims 2; set it to null",
        ),
        (
            {"dims": 3, "window": "[4, 8, 8]", "arch": "dynunet", "encoder_weights": "null", "context": 1},
            "context is for dims 2; set it to 0",
        ),
        ({"window": "[4, 8, 8]"}, "window is for dims 3; set it to null for slices"),
        ({"arch": "segresnet"}, "arch segresnet is for dims 3"),
    ],
)
def test_what_is_of_slices_and_what_of_volumes(
    tmp_path: Path, chosen: dict[str, object], sentence: str
) -> None:
    text = SHIPPED
    for key, value in chosen.items():
        text, number = re.subn(rf"(?m)^  {key}: \S+", f"  {key}: {value}", text)
        assert number == 1
    assert complaint(tmp_path, text) == f"params.yaml: train: {sentence}"
