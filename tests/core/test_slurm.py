"""Workers as jobs of SLURM, whose commands run them on this machine."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stages.core import cluster, slurm, workers
from stages.core.errors import UserError
from tests.fixtures.slurm import Slurm, stand_in
from tests.pipeline.import_graph import ROOT

FILE = 'jobs: 2\ncores: 1\nmemory: 1GB\nqueue: short\nwalltime: "00:10:00"\ninterface: lo\n'


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Slurm]:
    """A folder to work in, with cluster.yaml, and SLURM's commands."""
    own = stand_in(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{own.folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *sys.path]))
    monkeypatch.setenv(cluster.ADDRESS, slurm.NAME)
    monkeypatch.delenv(slurm.FILE, raising=False)
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    Path("cluster.yaml").write_text(FILE)
    yield own
    own.end()


def eventually(is_so: Callable[[], bool], seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while not is_so() and time.monotonic() < end:
        time.sleep(0.05)
    return is_so()


def group(number: int) -> tuple[int, int, str]:
    time.sleep(0.2)
    return number * number, os.getpgid(0), str(Path.cwd())


def test_tasks_run_in_jobs_that_are_cancelled_afterwards(site: Slurm) -> None:
    with workers.pool() as pool:
        answers = list(pool.map(group, range(12)))
        assert site.cancelled == []
    assert [number for number, _, _ in answers] == [number * number for number in range(12)]
    assert {process for _, process, _ in answers} <= set(site.groups)
    assert {folder for _, _, folder in answers} == {str(Path.cwd())}
    assert list(site.scripts) == site.cancelled == ["101", "102"]
    assert eventually(lambda: site.running() == [])
    for script in site.scripts.values():
        for part in ("-p short", "-t 00:10:00", "--cpus-per-task=1", "--nthreads 1 "):
            assert part in script


def test_a_job_of_several_cores_has_as_many_workers_of_one_thread(site: Slurm) -> None:
    Path("elsewhere.yaml").write_text("jobs: 1\ncores: 2\nmemory: 2GB\ninterface: lo\n")
    os.environ[slurm.FILE] = "elsewhere.yaml"
    try:
        with workers.pool() as pool:
            assert len(set(pool.map(process, range(12)))) <= 2
    finally:
        del os.environ[slurm.FILE]
    (script,) = site.scripts.values()
    for part in ("--cpus-per-task=2", "--nthreads 1 ", "--nworkers 2 ", "--mem=2G"):
        assert part in script


def process(_: int) -> int:
    return os.getpid()


def test_jobs_are_cancelled_where_the_work_fails(site: Slurm) -> None:
    with pytest.raises(ZeroDivisionError), workers.pool() as pool:
        pool.submit(divmod, 1, 0).result()
    assert site.cancelled == ["101", "102"]


def test_jobs_are_cancelled_at_ctrl_c(site: Slurm) -> None:
    code = (
        "import signal, time\nfrom stages.core import errors, workers\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # ignored where tests run behind a shell
        "def work():\n"
        "    with workers.pool() as pool:\n"
        "        pool.submit(time.sleep, 0).result()\n"
        "        print('ready', flush=True)\n"
        "        pool.submit(time.sleep, 300).result()\n"
        "errors.run(work)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    finally:
        process.kill()
    assert site.cancelled == ["101", "102"]
    assert eventually(lambda: site.running() == [])


def test_jobs_that_never_start(site: Slurm) -> None:
    site.be("full")
    Path("cluster.yaml").write_text(FILE + "wait_minutes: 0.02\n")
    with pytest.raises(UserError, match=r"none of 2 SLURM jobs .* within 0\.02 minutes; see why in `squeue"):
        workers.pool().__enter__()
    assert site.cancelled == ["101", "102"]


def test_jobs_that_slurm_refuses(site: Slurm, capfd: pytest.CaptureFixture[str]) -> None:
    site.be("refuses")
    with pytest.raises(UserError) as error:
        workers.pool().__enter__()
    assert str(error.value) == (
        "cluster.yaml: SLURM does not take the job (sbatch: error: invalid partition specified: no); mend it"
    )
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "cluster.yaml is not there, which says what SLURM is asked for; write it"),
        ("jobs: [", "cluster.yaml cannot be read ("),
        ("", "cluster.yaml: Input should be"),
        ("- jobs", "cluster.yaml: Input should be"),
        ("cores: 1\nmemory: 1GB", "cluster.yaml: jobs is missing; add it"),
        (FILE + "adapt: true", "cluster.yaml: adapt is no key of it; its keys are jobs, cores, memory, "),
        (FILE + "nthreads: 4", "cluster.yaml: nthreads is no key of it"),
        (FILE.replace("jobs: 2", "jobs: 0"), "cluster.yaml: jobs: Input should be greater"),
        (FILE.replace("1GB", "3"), "cluster.yaml: memory: Input should be a valid string"),
        (FILE.replace("1GB", "much"), "cluster.yaml makes no SLURM jobs ("),
        (FILE.replace("lo\n", "no0\n"), "cluster.yaml makes no SLURM jobs ("),
        (FILE + "job_script_prologue: [1]", "cluster.yaml: job_script_prologue.0: Input should be"),
    ],
)
def test_a_file_that_says_no_jobs(site: Slurm, text: str | None, sentence: str) -> None:
    Path("cluster.yaml").unlink() if text is None else Path("cluster.yaml").write_text(text)
    with pytest.raises(UserError) as error:
        workers.pool().__enter__()
    assert str(error.value).startswith(sentence)
    assert site.scripts == {}


def test_where_no_jobs_are_submitted(site: Slurm, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="sbatch is not here; run this where jobs are submitted"):
        workers.pool().__enter__()


def test_without_jobqueue_there_is_a_sentence(site: Slurm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dask_jobqueue", None)
    with pytest.raises(UserError, match=r"pip install 'brainseg\[cluster\]'"):
        workers.pool().__enter__()
