"""Scripts of `brainseg slurm` submitted to a real SLURM: experiments come home, over one node and two."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures import slurm_cluster
from tests.fixtures.slurm_cluster import Cluster
from tests.pipeline.project import TINY, Project, ran

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3000),
    pytest.mark.skipif(slurm_cluster.missing() is not None, reason=str(slurm_cluster.missing())),
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with slurm_cluster.started() as found:
        yield found


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """With its data prepared, and scans at a place relative to it that no clone has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        root = tmp_path_factory.mktemp("cluster") / "a project"
        root.mkdir()
        project = Project(root, TINY | {"train.epochs": "1", "evaluate.tta": "none", "export.int8": "false"})
        project.dvc("repro", "augment")
        project.commit("baseline")
        yield project


def submitted(cluster: Cluster, project: Project, *words: Any) -> Path:
    """Write a script and submit it; the folder of the jobs' outputs."""
    logs = project.root.parent
    script = logs / "job.sh"
    project.run(sys.executable, "-m", "stages.cli", "slurm", *words, "--out", str(script))
    cluster.run("sbatch", "--parsable", "--output=slurm-%j.out", str(script), folder=logs, env=project.env)
    return logs


def outputs(logs: Path) -> list[str]:
    """What each job printed; the files go."""
    found = [path.read_text() for path in sorted(logs.glob("slurm-*.out"))]
    for path in logs.glob("slurm-*.out"):
        path.unlink()
    return found


def locks(project: Project) -> dict[str, str]:
    refs = project.git("for-each-ref", "--format=%(refname)", "refs/exps").split()
    return {ref.split("/")[-1]: project.git("show", f"{ref}:dvc.lock") for ref in refs if ref.count("/") == 4}


def weights(lock: str) -> str:
    return lock.split("models/model.safetensors\n")[1].split("md5: ")[1].split()[0]


def test_jobs_of_an_array_bring_their_experiments_home(cluster: Cluster, project: Project) -> None:
    logs = submitted(cluster, project, "--set", "train.lr=1e-3,2e-3", "--name", "lr")
    cluster.wait()
    told = outputs(logs)
    assert [text.splitlines()[-1].partition("-")[0] for text in told] == ["experiment lr"] * 2, told
    assert all(ran(text) == ["train", "evaluate", "export", "report"] for text in told)
    first = locks(project)
    assert len(first) == len(set(first.values())) == 2
    shown = project.dvc("exp", "show", "--csv", "--drop", "^(?!Experiment$|train.lr$)")
    assert {line.split(",")[-1] for line in shown.splitlines() if "lr-" in line} == {"0.001", "0.002"}
    assert project.git("status", "--porcelain") == ""
    assert list((project.root / ".scratch/slurm").iterdir()) == []

    # Submitted again they end at once.
    cluster.run("sbatch", "--output=slurm-%j.out", "job.sh", folder=logs, env=project.env)
    cluster.wait()
    assert all(text.endswith(" is there already\n") for text in outputs(logs))

    # The same here, computed once more.
    project.dvc("exp", "run", "--temp", "--force", "--name", "here", "-S", "train.lr=2e-3")
    assert locks(project)["here"] in first.values()


def test_two_nodes_train_as_two_processes_do_here(cluster: Cluster, project: Project) -> None:
    logs = submitted(cluster, project, "--nodes", "2", "--name", "both")
    cluster.wait()
    (told,) = outputs(logs)
    assert told.count("training on ") == 1
    project.dvc("exp", "run", "--temp", "--name", "pair", "-S", "train.devices=2", "train")
    found = locks(project)
    (both,) = [lock for name, lock in found.items() if name.startswith("both-")]
    assert weights(both) == weights(found["pair"])


def test_a_job_that_is_cancelled_leaves_nothing(cluster: Cluster, project: Project) -> None:
    before = locks(project)
    logs = submitted(cluster, project, "--set", "train.epochs=500", "--name", "long")
    until = time.monotonic() + 600
    while not any("an epoch" in path.read_text() for path in logs.glob("slurm-*.out")):
        assert time.monotonic() < until
        time.sleep(0.5)
    cluster.run("scancel", *cluster.jobs())
    cluster.wait(60)
    assert list((project.root / ".scratch/slurm").iterdir()) == []
    assert locks(project) == before
    assert project.git("status", "--porcelain") == ""
    outputs(logs)


def test_a_job_that_fails_says_why_and_leaves_nothing(cluster: Cluster, project: Project) -> None:
    before = locks(project)
    logs = submitted(cluster, project, "--set", "train.encoder_weights=nowhere.pth", "--name", "bad")
    cluster.wait()
    (told,) = outputs(logs)
    assert "error: " in told
    assert "nowhere.pth" in told
    assert list((project.root / ".scratch/slurm").iterdir()) == []
    assert locks(project) == before
