"""Continuous integration: the workflow is linted, its steps are the script's, and the script is run."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.fixtures.revisions import Results
from tests.pipeline.project import Project, ran

ROOT = Path(__file__).parents[1]
WORKFLOW = ROOT / ".github/workflows/compare.yml"
SCRIPT = ROOT / "ci/compare.sh"
BIN = Path(sys.executable).parent
FOUND = YAML(typ="safe").load(WORKFLOW.read_text(encoding="utf-8"))
STEPS = {job: found["steps"] for job, found in FOUND["jobs"].items()}
SHELL = [step["run"] for steps in STEPS.values() for step in steps if "run" in step]


def program(*words: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([BIN / words[0], *words[1:]], capture_output=True, text=True, **options)


# The workflow.


def complaints(path: Path) -> str:
    """What GitHub's schema and the auditor of workflows have against it, "" where nothing."""
    schema = program("check-jsonschema", "--builtin-schema", "vendor.github-workflows", path)
    audit = program("zizmor", "--offline", "--persona=pedantic", "--no-progress", path)
    return "".join(done.stdout + done.stderr for done in (schema, audit) if done.returncode)


@pytest.mark.parametrize("workflow", sorted(WORKFLOW.parent.iterdir()), ids=lambda path: path.stem)
def test_a_workflow_is_valid_and_safe(workflow: Path) -> None:
    assert complaints(workflow) == ""


def test_the_forms_of_issues_are_github_s() -> None:
    folder = ROOT / ".github/ISSUE_TEMPLATE"
    forms = sorted(set(folder.iterdir()) - {folder / "config.yml"})
    for schema, files in (("issue-forms", forms), ("issue-config", [folder / "config.yml"])):
        done = program("check-jsonschema", "--builtin-schema", f"vendor.github-{schema}", *files)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("sound", "slip", "told"),
    [
        ("runs-on: ubuntu-24.04", "run-on: ubuntu-24.04", "run-on"),
        ("on: pull_request\n", "on: pull_request_target\n", "dangerous-triggers"),
        ("'HEAD^1'", "'${{ github.head_ref }}'", "template-injection"),
        ("@08c6903cd8c0fde910a37f88322edcfb5dd907a8", "@v5", "unpinned-uses"),
        ("          persist-credentials: false\n", "", "artipacked"),
        ("permissions: {}\n", "permissions: write-all\n", "excessive-permissions"),
    ],
)
def test_a_slip_in_the_workflow_is_found(tmp_path: Path, sound: str, slip: str, told: str) -> None:
    text = WORKFLOW.read_text(encoding="utf-8")
    assert sound in text
    changed = tmp_path / ".github/workflows/compare.yml"
    changed.parent.mkdir(parents=True)
    changed.write_text(text.replace(sound, slip, 1), encoding="utf-8")
    assert told in complaints(changed)


def test_the_steps_are_those_of_the_script() -> None:
    runs = [step["run"] for step in STEPS["compare"] if step.get("run", "").startswith("ci/")]
    wanted = ("install", "test", "pipeline", "compare 'HEAD^1'")
    assert runs == [f"ci/compare.sh {words}" for words in wanted]
    every = re.search(r"\n  all\)\n((?:    .*\n)+)    ;;", SCRIPT.read_text(encoding="utf-8"))
    assert every
    assert every[1].split("\n    ")[0:] == ["    install", "run_tests", "pipeline", 'compare "${@:2}"\n']


def test_only_the_job_that_runs_no_code_may_write() -> None:
    jobs = FOUND["jobs"]
    assert (FOUND["on"], FOUND["permissions"]) == ("pull_request", {})
    assert jobs["compare"]["permissions"] == {"contents": "read"}
    assert jobs["comment"]["permissions"] == {"pull-requests": "write"}
    assert [step.get("uses", "").split("@")[0] for step in STEPS["comment"]] == [
        "actions/download-artifact",
        "",
    ]


def test_pip_keeps_its_downloads_for_these_very_versions() -> None:
    (setup,) = [step["with"] for step in STEPS["compare"] if "setup-python" in step.get("uses", "")]
    assert setup["cache"] == "pip"
    assert setup["cache-dependency-path"].split() == ["constraints.txt", "pyproject.toml"]


@pytest.mark.parametrize("text", [SCRIPT.read_text(encoding="utf-8"), *SHELL])
def test_the_shell_is_clean(text: str) -> None:
    done = program("shellcheck", "--shell=bash", "-", input=text)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_script_can_be_run() -> None:
    assert os.access(SCRIPT, os.X_OK)
    done = subprocess.run([SCRIPT, "nonsense"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "usage: ci/compare.sh install | test | pipeline | compare REVISION | all REVISION\n"
    )


# The comment.

GH = """#!/bin/sh
printf '%s\\n' "$*" >> asked
case "$*" in
  *--paginate*) cat ids ;;
  *) test ! -e refuse ;;
esac
"""


def commented(folder: Path, ids: str, *, refuse: bool = False) -> tuple[list[str], str]:
    """What the last step asks of `gh`, and what it prints. ids: of comments that are its own."""
    (folder / "gh").write_text(GH)
    (folder / "gh").chmod(0o755)
    (folder / "ids").write_text(ids)
    if refuse:
        (folder / "refuse").touch()
    env = {"PATH": f"{folder}:{os.environ['PATH']}", "REPOSITORY": "o/r", "NUMBER": "7", "GH_TOKEN": "none"}
    step = STEPS["comment"][-1]
    assert set(step["env"]) == set(env) - {"PATH"}
    done = subprocess.run(
        ["bash", "-e", "-c", step["run"]], cwd=folder, env=env, capture_output=True, text=True, check=True
    )
    return (folder / "asked").read_text().splitlines(), done.stdout


def test_the_first_comparison_is_a_new_comment(tmp_path: Path) -> None:
    asked, printed = commented(tmp_path, "")
    assert asked[0].startswith("api --paginate repos/o/r/issues/7/comments --jq ")
    assert asked[1:] == ["pr comment 7 --repo o/r --body-file comparison.md"]
    assert printed == ""


def test_the_next_one_renews_it(tmp_path: Path) -> None:
    asked, _ = commented(tmp_path, "41\n42\n")
    assert asked[1:] == [
        "api --silent --method PATCH repos/o/r/issues/comments/41 --field body=@comparison.md"
    ]


def test_its_own_comment_is_known_by_its_author_and_first_line() -> None:
    from stages.comparison.markdown import MARK

    (own,) = re.findall(r"own='(.*)'", STEPS["comment"][-1]["run"])
    assert own == f'.user.login == "github-actions[bot]" and (.body | startswith("{MARK}"))'


def test_without_permission_to_comment_it_says_where_the_comparison_is(tmp_path: Path) -> None:
    _, printed = commented(tmp_path, "", refuse=True)
    assert printed.startswith("::warning::No permission to comment; ")


# The script, in clones.


def script(folder: Path, *words: str, status: int = 0) -> str:
    """Run the script of a clone, without anyone's settings of git."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "DVC"))}
    env |= {"PATH": f"{BIN}{os.pathsep}{env['PATH']}", "GIT_CONFIG_GLOBAL": "/dev/null"}
    done = subprocess.run(
        ["ci/compare.sh", *words],
        cwd=folder,
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == status, done.stdout[-4000:]
    return done.stdout


@pytest.fixture
def merged(tmp_path: Path) -> Path:
    """What GitHub checks out: a clone of two commits' depth of the merge of a branch that made it worse."""
    place = Results(tmp_path / "origin")
    (place.root / "ci").mkdir()
    shutil.copy(SCRIPT, place.root / "ci")
    place.write(".gitignore", ".scratch/\n")
    place.commit("script")
    place.git("checkout", "-q", "-b", "side")
    place.changed(-0.1)
    place.git("checkout", "-q", "main")
    place.git("commit", "-q", "--allow-empty", "-m", "meanwhile")
    place.git("merge", "-q", "--no-edit", "side")
    clone = tmp_path / "clone"
    origin = f"file://{tmp_path}/origin"
    subprocess.run(["git", "clone", "-q", "--depth=2", origin, clone], check=True)
    return clone / "nested/project"


def test_a_regression_fails_and_leaves_what_the_comment_needs(merged: Path) -> None:
    told = script(merged, "compare", "HEAD^1", "--tolerance", "0.01", status=1)
    assert told.startswith("worse: ")
    out = merged / ".scratch/ci"
    assert sorted(path.name for path in out.iterdir()) == ["comparison.json", "comparison.md"]
    assert (out / "comparison.md").read_text().startswith("<!-- brainseg compare -->\n### Test Dice: worse\n")
    written = json.loads((out / "comparison.json").read_text())
    assert (written["regression"], written["tolerance"]) == (True, 0.01)


def test_the_base_is_fetched_as_the_message_says(merged: Path) -> None:
    told = script(merged, "compare", "origin/side", status=2)
    assert not list((merged / ".scratch/ci").iterdir())
    (command,) = re.findall(r"`(git fetch .*)`", told)
    subprocess.run(command.split(), cwd=merged, check=True, capture_output=True)
    assert script(merged, "compare", "FETCH_HEAD").startswith("within noise: every patient")


@pytest.fixture
def asking(merged: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The clone, with a program in the place of brainseg that keeps what it was asked in .scratch/asked."""
    (merged / ".scratch/bin").mkdir(parents=True)
    (merged / ".scratch/bin/brainseg").write_text('#!/bin/sh\necho "$@" >>.scratch/asked\n')
    (merged / ".scratch/bin/brainseg").chmod(0o755)
    monkeypatch.setattr(f"{__name__}.BIN", merged / ".scratch/bin")
    return merged


def test_results_of_the_pipeline_are_compared_though_not_committed(asking: Path) -> None:
    place = asking / "reports/evaluate/per_case.csv"
    place.write_text("what the pipeline measured\n")
    script(asking, "compare", "HEAD^1")
    base, head = (asking / ".scratch/asked").read_text().splitlines()[0].split()[-2:]
    assert (base, len(head)) == ("HEAD^1", 40)
    show = ["git", "show", f"{head}:./reports/evaluate/per_case.csv"]
    assert subprocess.run(show, cwd=asking, capture_output=True).stdout == place.read_bytes()
    assert place.read_text() == "what the pipeline measured\n"
    listed = subprocess.run(["git", "stash", "list"], cwd=asking, capture_output=True)
    assert listed.stdout == b""


def test_a_file_written_again_with_the_same_content_is_no_change(asking: Path) -> None:
    """`git stash create` fails where the index only thinks that something changed."""
    again = asking / "params.copy"
    shutil.copyfile(asking / "params.yaml", again)
    again.replace(asking / "params.yaml")
    script(asking, "compare", "HEAD^1")
    asked = (asking / ".scratch/asked").read_text().splitlines()
    assert [line.partition(" -- ")[2] for line in asked] == ["HEAD^1 HEAD"] * 2


@pytest.mark.slow
def test_from_a_clone_to_the_verdict(tmp_path: Path) -> None:
    """A project with results and a DVC remote, and a branch that trains otherwise."""
    origin = Project(tmp_path / "origin")
    shutil.copytree(ROOT / "ci", origin.root / "ci")
    for name in ("constraints.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, origin.root)
    origin.dvc("remote", "add", "-d", "store", str(tmp_path / "store"))
    origin.dvc("repro")
    origin.commit("results")
    origin.dvc("push", "-q")
    origin.git("branch", "-m", "main")

    clone, reworded = tmp_path / "clone", tmp_path / "reworded"
    for folder in (clone, reworded):
        subprocess.run(["git", "clone", "-q", "--depth=1", f"file://{origin.root}", folder], check=True)
    # Nothing changed: neither data nor weights are downloaded, and nothing runs.
    assert ran(script(clone, "pipeline")) == []
    assert (clone / ".scratch/ci/report.html").stat().st_size > 10_000
    assert not any(
        (clone / name).exists() for name in ("data/raw", "data/slices", "models/model.safetensors")
    )
    assert script(clone, "compare", "HEAD").startswith("within noise: every patient has the same Dice")

    # Another wording of the page, not run: the page is made, of what is downloaded for it.
    with (reworded / "stages/report.py").open("a") as code:
        code.write("# a thought\n")
    assert ran(script(reworded, "pipeline")) == ["report"]
    assert script(reworded, "compare", "HEAD").startswith("within noise: ")

    # A changed param, not run: what it needs is downloaded, and its stages run.
    text = (clone / "params.yaml").read_text()
    (clone / "params.yaml").write_text(text.replace("lr: 3e-3", "lr: 1e-6"))
    who = ["-c", "user.name=tester", "-c", "user.email=tester@example.invalid"]
    subprocess.run(["git", *who, "commit", "-qam", "hardly learns"], cwd=clone, check=True)
    assert ran(script(clone, "pipeline")) == ["train", "evaluate", "export", "report"]
    script(clone, "compare", "origin/main")
    told = json.loads((clone / ".scratch/ci/comparison.json").read_text())
    assert told["params"] == [{"name": "train.lr", "base": 3e-3, "head": 1e-6}]
    assert told["warnings"] == []
    assert [change["name"] for change in told["data"]] == ["models/model.safetensors"]
    assert told["outcome"]["metrics"]["dice"]["differing"] > 0


@pytest.mark.slow
def test_without_a_remote_every_stage_runs_once(tmp_path: Path) -> None:
    origin = Project(tmp_path / "origin", {"ingest.source": "lgg", "ingest.location": "nowhere.zip"})
    shutil.copytree(ROOT / "ci", origin.root / "ci")
    origin.commit("script")
    stages = ["ingest", "validate", "preprocess", "split", "augment", "train", "evaluate", "export", "report"]
    assert ran(script(origin.root, "pipeline")) == stages
    assert [path.name for path in (origin.root / ".scratch/ci").iterdir()] == ["smoke-report.html"]
    assert origin.git("status", "--porcelain") == ""
