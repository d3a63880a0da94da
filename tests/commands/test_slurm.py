"""`brainseg slurm`: a script that passes shellcheck, says what was asked for, and survives hostile values."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.commands import slurm
from stages.core import errors
from stages.core.errors import UserError
from stages.experiments import experiment, tracked
from stages.experiments.slurm import Allocation, Place
from tests.fixtures.dvc_stand_in import Place as Project

SHELLCHECK = Path(sys.executable).parent / "shellcheck"


@pytest.fixture(autouse=True)
def three_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")


@pytest.fixture(autouse=True)
def prepared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each time that MLflow's store is asked for, which takes seconds to make."""
    asked: list[str] = []
    monkeypatch.setattr(tracked, "prepare", lambda: asked.append("asked"))
    return asked


@pytest.fixture
def project(place: Project) -> Project:
    """Of DVC too."""
    (place.root / ".dvc").mkdir()
    (place.root / ".dvc/config").write_text("[core]\n    analytics = false\n")
    return place


def ended(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[object, str, str]:
    """Exit status, stdout and stderr of `brainseg slurm <words>`."""
    with pytest.raises(SystemExit) as end:
        errors.run(lambda: slurm.app(list(words), prog_name="brainseg slurm"))
    return end.value.code or 0, *capsys.readouterr()


def written(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    status, printed, complaint = ended(capsys, *words)
    assert (status, complaint) == (0, "")
    return printed


def directives(script: str) -> dict[str, str]:
    """As sbatch reads them: comments at the beginning, to the first command."""
    head = script.partition("\nset -")[0]
    assert all(line.startswith("#") for line in head.splitlines())
    return dict(re.findall(r"^#SBATCH --([a-z-]+)=(\S+)$", head, re.MULTILINE))


def complaints(script: str, *words: str) -> str:
    done = subprocess.run([SHELLCHECK, *words, "-"], input=script, capture_output=True, text=True)
    return done.stdout + done.stderr


def experiments(script: str, number: str = "0") -> tuple[str, list[str]]:
    """What bash takes for the name and the words of a job's experiment."""
    chosen = script[script.index("set -euo") : script.index("\nfail()")]
    show = 'printf \'%s\\0\' "$name" "${words[@]}"'
    done = subprocess.run(
        ["bash", "-c", f"{chosen}\n{show}"],
        env={"PATH": os.environ["PATH"], "SLURM_ARRAY_TASK_ID": number},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    name, *words = done.stdout.split("\0")[:-1]
    return name, words


# What is asked for.


def test_one_experiment_on_one_core(
    project: Project, capsys: pytest.CaptureFixture[str], prepared: list[str]
) -> None:
    script = written(capsys, "-S", "train.lr=1e-4")
    assert prepared == ["asked"]
    assert directives(script) == {
        "job-name": "slurm",
        "nodes": "1",
        "ntasks-per-node": "1",
        "cpus-per-task": "3",
    }
    assert complaints(script) == ""
    name, words = experiments(script)
    assert words == ["-S", "train.lr=0.0001"]
    assert name == experiment.plan(experiment.base(), "slurm", ["train.lr=1e-4"]).name
    head = project.git("rev-parse", "HEAD").strip()
    for line in (
        f"repository={project.root}",
        "folder=''",
        f"commit={head}",
        f"cache={project.root}/.dvc/cache",
        f"python={sys.executable}",
        "export nodes=1 processes=1 threads=3",
    ):
        assert f"\n{line}\n" in script


def test_a_project_may_be_a_folder_of_a_repository(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    (project.root / ".git").rename(project.root.parent / ".git")
    project.git("add", "-A", ".")
    project.git("commit", "-q", "-a", "-m", "moved")
    script = written(capsys)
    assert f"\nrepository={project.root.parent}\nfolder=project/\n" in script


def test_nodes_and_gpus_become_processes_of_one_training(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    script = written(
        capsys, "--nodes", "2", "--gpus", "8", "--cpus-per-task", "6", "--time", "1-12:00:00",
        "--partition", "gpu_a100,gpu-h100", "--name", "large", "--set", "train.batch_size=64",
    )  # fmt: skip
    assert directives(script) == {
        "job-name": "large",
        "nodes": "2",
        "ntasks-per-node": "4",
        "cpus-per-task": "6",
        "gpus-per-node": "4",
        "time": "1-12:00:00",
        "partition": "gpu_a100,gpu-h100",
    }
    assert complaints(script) == ""
    assert experiments(script)[1][1::2] == ["train.batch_size=64", "train.nodes=2", "train.devices=4"]
    assert "export nodes=2 processes=4 threads=6\n" in script


@pytest.mark.parametrize(
    ("words", "processes"),
    [(["-S", "train.devices=4"], 4), (["-S", "train.devices=auto"], 1), (["--gpus", "1"], 1), ([], 1)],
)
def test_processes_follow_from_gpus_or_params(
    project: Project, capsys: pytest.CaptureFixture[str], words: list[str], processes: int
) -> None:
    script = written(capsys, *words)
    assert directives(script)["ntasks-per-node"] == str(processes)
    assert "train.devices=1" not in script  # what params.yaml has is not set again


def test_a_sweep_is_an_array_of_experiments(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    script = written(capsys, "-S", "split.folds=3", "-S", "split.fold=range(2)", "-S", "train.lr=1e-4,1e-3")
    assert directives(script)["array"] == "0-3"
    assert complaints(script) == ""
    every = [experiments(script, str(number)) for number in range(4)]
    assert len({name for name, _ in every}) == 4
    assert [words[3::2] for _, words in every] == [
        [f"split.fold={fold}", f"train.lr={lr}"] for fold in (0, 1) for lr in (0.0001, 0.001)
    ]
    for name, words in every:
        assert name == experiment.plan(experiment.base(), "slurm", words[1::2]).name
    with pytest.raises(AssertionError, match="there is no experiment 4 in this script"):
        experiments(script, "4")


def test_it_is_written_to_a_file(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    status, printed, told = ended(capsys, "--out", "job.sh")
    assert (status, printed, told) == (0, "", "job.sh is written; read it, then: sbatch job.sh\n")
    assert (project.root / "job.sh").read_text() == written(capsys)


# Hostile values.


@pytest.mark.parametrize("value", ["/a b/$(touch x).zip", "`touch x`", "a;touch x", "~/x", "\\$HOME", "é\tü"])
def test_a_value_is_what_it_says_and_nothing_is_run(
    project: Project, capsys: pytest.CaptureFixture[str], value: str
) -> None:
    word = f"ingest.location='{value}'"
    script = written(capsys, "-S", word, "-S", "train.seed=1,2")
    assert complaints(script, "--exclude=SC2016,SC2088,SC1111") == ""  # a $ in single quotes is meant
    _, words = experiments(script, "1")
    assert experiment.resolved(words[1::2]).ingest.location == value
    assert not (project.root / "x").exists()


@given(
    st.lists(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=5, max_size=5
    )
)
def test_a_place_is_what_it_says(values: list[str]) -> None:
    place = Place(*values)
    show = "printf '%s\\0' " + " ".join(f'"${name}"' for name in vars(place))
    done = subprocess.run(["bash", "-c", "\n".join([*place.lines(), show])], capture_output=True, check=True)
    assert done.stdout.decode().split("\0")[:-1] == values


# What a user may get wrong.


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--nodes", "0"], "--nodes 0 is too few; give 1 or more"),
        (["--gpus", "-1"], "--gpus -1 is too few; give 0 or more"),
        (["--cpus-per-task", "0"], "--cpus-per-task 0 is too few; give 1 or more"),
        (
            ["--nodes", "2", "--gpus", "3"],
            "--gpus 3 is over all nodes and cannot be shared by 2; make it a multiple of --nodes",
        ),
        (["--time", "soon"], "--time soon is not as SLURM has it: minutes, h:mm:ss or d-hh:mm:ss"),
        (["--time", "1:2:3:4"], "--time 1:2:3:4 is not as SLURM has it: minutes, h:mm:ss or d-hh:mm:ss"),
        (["--time", "8\n#SBATCH -x"], "--time 8\n#SBATCH -x is not as"),
        (["--partition", "a b"], "--partition a b is no name of a partition; `sinfo` lists them"),
        (["--name", "a/b"], "--name a/b may have letters, digits, - and _, and begins with no -"),
        (["--name", ""], "--name  may have letters, digits, - and _, and begins with no -"),
        (["--name", "-x"], "--name -x may have"),
        (["-S", "train.epohs=1"], "-S: unknown key train.epohs"),
        (["-S", "train.epochs=1,many"], "-S: train.epochs must be a whole number, not 'many'"),
        (["-S", "train.lr"], "DVC cannot read --set train.lr; give section.key=value"),
        (["-S", "train.lr=choice("], "DVC cannot read --set train.lr=choice(; give section.key=value"),
        (["-S", "train.nodes=2"], "train.nodes follows from --nodes; leave it out"),
        (["--gpus", "2", "-S", "train.devices=2"], "train.devices follows from --gpus; leave it out"),
        (
            ["-S", "train.devices=1,2"],
            "train.devices decides what a job asks for; write a script for each of its values",
        ),
        (["--out", "stages"], "--out stages is a folder; name a file"),
    ],
)  # fmt: skip
def test_slips_are_told_in_a_sentence(
    project: Project, capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    status, printed, complaint = ended(capsys, *words)
    assert (status, printed) == (2, "")
    assert complaint.startswith(f"error: {told}")


@pytest.mark.parametrize("name", ["params.yaml", "stages/train.py", "stages/new.py"])
def test_what_is_not_committed_is_refused(
    project: Project, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    with (project.root / name).open("a") as stream:
        stream.write("# a thought\n")
    assert ended(capsys) == (
        2,
        "",
        f"error: {name} is not as HEAD has it, and jobs run what is committed; commit it, or put it back\n",
    )


def test_a_folder_without_dvc_is_told(place: Project, capsys: pytest.CaptureFixture[str]) -> None:
    status, printed, complaint = ended(capsys)
    assert (status, printed, complaint.count("\n")) == (2, "", 1)
    assert complaint.startswith("error: DVC cannot open this folder (")


def test_an_allocation_is_checked_where_it_is_made() -> None:
    with pytest.raises(UserError, match="--nodes 0 is too few"):
        Allocation("x", 0, 0, 1)


# What the job says before hours are spent.


def job(script: str, **env: str) -> tuple[int, str]:
    """Exit status and stderr of the script, run by bash."""
    done = subprocess.run(
        ["bash", "-c", script], env={"PATH": os.environ["PATH"]} | env, capture_output=True, text=True
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("", ""), "this is no job; submit it with sbatch"),
        (("python=", "python=/nowhere"), "has no /nowhere"),
        (("python=", f"python={shutil.which('false')}"), "lacks packages; install brainseg into it"),
        (("commit=", "commit=0"), "cannot read commit 0"),
        (("repository=", "repository=/nowhere"), "of /nowhere"),
        (("cache=", "cache=/proc/nowhere"), "cannot write into DVC's cache /proc/nowhere"),
    ],
)
def test_a_job_that_cannot_run_says_so(
    project: Project, capsys: pytest.CaptureFixture[str], change: tuple[str, str], told: str
) -> None:
    script = written(capsys)
    head, tail = script.split("\nexport nodes=")
    # A program that starts at once in the place of one that imports torch and DVC.
    for name, line in (("python=", f"python={shutil.which('true')}"), change):
        head = re.sub(rf"^{name}.*$", line, head, flags=re.MULTILINE) if name else head
    status, complaint = job(f"{head}\nexport nodes={tail}", **({"SLURM_JOB_ID": "7"} if change[0] else {}))
    assert status == 2
    assert complaint.splitlines()[-1].startswith("error: ")
    assert told in complaint.splitlines()[-1]
    assert not (project.root / ".scratch/slurm/7").exists()
