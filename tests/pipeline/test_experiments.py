"""Experiments in the workspace, beside it and from the queue: one result, one cache, and no disturbance."""

import csv
import re
import subprocess
import time
from io import StringIO

import pytest

from tests.pipeline.import_graph import ROOT
from tests.pipeline.project import TINY, Project, ran

pytestmark = pytest.mark.slow
CHANGED = ["train", "evaluate", "export", "report"]


def lock(project: Project, revision: str) -> str:
    return project.git("show", f"{revision}:dvc.lock")


def refs(project: Project) -> dict[str, str]:
    """Ref of every experiment by its name."""
    found = project.git("for-each-ref", "--format=%(refname)", "refs/exps").split()
    return {ref.split("/")[-1]: ref for ref in found if ref.count("/") == 4}


def columns() -> str:
    """The regular expression that `make experiments` gives to --drop."""
    told = subprocess.run(
        ["make", "-n", "-o", ".venv/.ready", "experiments"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    found = re.search(r"--drop '([^']+)'", told)
    assert found
    return found[1]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(
        tmp_path_factory.mktemp("project"), TINY | {"train.epochs": "1", "export.int8": "false"}
    )
    project.dvc("repro")
    project.commit("baseline")
    return project


def test_the_same_params_give_the_same_result_wherever_they_run(project: Project) -> None:
    before = project.hashes()
    told = project.dvc("exp", "run", "--temp", "--name", "beside", "-S", "train.lr=1e-3")
    assert ran(told) == CHANGED
    assert project.git("status", "--porcelain") == ""
    assert project.hashes() == before

    told = project.dvc("exp", "run", "--name", "here", "-S", "train.lr=1e-3")
    assert ran(told) == []  # all of it is restored from the run cache
    assert told.count("is cached - skipping run") == len(CHANGED)
    here = project.hashes()
    assert here != before
    assert lock(project, refs(project)["beside"]) == lock(project, refs(project)["here"])

    # And computed once more, from nothing, by `dvc repro` with those params in the file.
    project.dvc("repro", "--force", "--no-run-cache")
    assert project.hashes() == here
    assert (project.root / "dvc.lock").read_text() == lock(project, refs(project)["here"])
    project.git("checkout", "-q", ".")
    project.dvc("checkout", "-q")
    assert project.hashes() == before


def test_a_queue_of_two_at_a_time_disturbs_nobody(project: Project) -> None:
    before = project.hashes()
    project.dvc("exp", "run", "--queue", "--name", "swept", "-S", "train.seed=choice(1,2)")
    project.dvc("queue", "start", "-j", "2")
    until = time.monotonic() + 500
    while (status := project.dvc("queue", "status")).count("Success") < 2:
        assert "Failed" not in status
        assert time.monotonic() < until, status
        time.sleep(3)
    assert project.git("status", "--porcelain") == ""
    assert project.hashes() == before
    swept = [ref for name, ref in sorted(refs(project).items()) if name.startswith("swept")]
    assert len({lock(project, ref) for ref in swept}) == 2

    # What ran beside another is what runs alone.
    for ref in swept:
        section = project.git("show", f"{ref}:params.yaml").split("\ntrain:")[1].split("\nevaluate:")[0]
        found = re.search(r"\n  seed: ([12])", section)
        assert found
        seed = found[1]
        project.dvc("exp", "run", "--temp", "--name", f"alone{seed}", "-S", f"train.seed={seed}")
        assert lock(project, refs(project)[f"alone{seed}"]) == lock(project, ref)


def test_the_table_has_the_columns_that_a_person_wants(project: Project) -> None:
    told = project.dvc("exp", "show", "--only-changed", "--csv", "--drop", columns())
    header = next(csv.reader(StringIO(told)))
    assert {"Experiment", "test.dice", "val.dice", "train.lr", "train.seed"} <= set(header)
    wanted = r"rev|typ|Created|parent|Experiment|State|Executor|(val|test)\.dice|train\.(lr|seed)"
    assert [name for name in header if not re.fullmatch(wanted, name)] == []
