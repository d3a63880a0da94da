"""Stages on a Dask cluster: the same bytes as on this machine, and one sentence for what goes wrong."""

import hashlib
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import distributed
import pytest
from threadpoolctl import threadpool_info

from stages import ingest, preprocess, validate
from stages.core import cluster, workers
from stages.core.errors import UserError
from stages.project import params
from stages.project.paths import Paths
from tests.fixtures import scans
from tests.fixtures.tasks import always_fatal, fail, loosen, once_fatal, slow, square
from tests.pipeline.import_graph import ROOT


@pytest.fixture
def on_cluster(scheduler: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(cluster.ADDRESS, scheduler.scheduler_address)
    return scheduler.scheduler_address


def prepared(root: Path, archive: Path) -> dict[str, str]:
    """Hashes of what ingest, validate and preprocess write, run in a folder as users run them."""
    shipped, paths = params.read(ROOT / "params.yaml"), Paths(Path())
    with cluster.chdir(root):
        chosen = {"source": "lgg", "location": str(archive)}
        ingest.run(shipped.ingest.model_copy(update=chosen), paths)
        validate.run(shipped.validate_, paths)
        preprocess.run(shipped.preprocess.model_copy(update={"size": 64}), paths)
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("scans")
    scans.write_lgg(root / "in", patients=4, slices=4)
    return Path(shutil.make_archive(str(root / "in"), "zip", root / "in"))


def test_outs_are_the_same_wherever_they_were_made(
    tmp_path: Path, archive: Path, scheduler: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    here = prepared(tmp_path / "here", archive)
    monkeypatch.setenv(cluster.ADDRESS, scheduler.scheduler_address)
    there = prepared(tmp_path / "there", archive)
    assert here == there
    assert len(here) > 30
    for path in (tmp_path / "there").rglob("*"):
        assert not path.is_file() or scheduler.scheduler_address.encode() not in path.read_bytes()


def test_tasks_run_at_the_workers_in_this_folder_and_in_order(on_cluster: str, tmp_path: Path) -> None:
    with cluster.chdir(tmp_path), workers.pool() as pool:
        answers = list(pool.map(square, range(20)))
        one = pool.submit(square, 5).result()
    assert [number for number, _, _ in answers] == [number * number for number in range(20)]
    assert os.getpid() not in {process for _, process, _ in answers}
    assert {folder for _, _, folder in answers} == {str(tmp_path)}
    assert one[0] == 25
    assert not list(tmp_path.rglob("cluster-*"))


def test_a_sentence_of_a_task_comes_back(on_cluster: str) -> None:
    with pytest.raises(UserError, match="the third is damaged"), workers.pool() as pool:
        list(pool.map(fail, range(5)))


def test_a_worker_that_is_killed_is_replaced(on_cluster: str, tmp_path: Path) -> None:
    with workers.pool() as pool:
        marker = str(tmp_path / "killed")
        assert list(pool.map(once_fatal, [marker] * 6, range(6))) == list(range(6))
    assert (tmp_path / "killed").exists()


def test_a_task_that_kills_every_worker_ends_with_a_sentence(
    on_cluster: str, scheduler: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler.scheduler, "allowed_failures", 1)  # of 3, which takes four seconds each
    with pytest.raises(UserError, match="ended 2 workers, as tasks do"), workers.pool() as pool:
        list(pool.map(always_fatal, range(4)))


def test_so_it_does_on_this_machine() -> None:
    with pytest.raises(UserError, match="a worker process ended before its work"), workers.pool(2) as pool:
        list(pool.map(always_fatal, range(4)))


def test_no_scheduler_at_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_PATIENCE_S", 1)
    for address in ("tcp://127.0.0.1:9", "nonsense://x"):
        monkeypatch.setenv(cluster.ADDRESS, address)
        with pytest.raises(UserError, match=f"{cluster.ADDRESS} {address}: no scheduler answers"):
            workers.pool().__enter__()


@pytest.mark.parametrize(
    ("size", "sentence"), [((0, 1), "has no workers"), ((1, 2), "runs 2 tasks at a time")]
)
def test_workers_that_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], sentence: str
) -> None:
    number, threads = size
    monkeypatch.setattr(cluster, "_PATIENCE_S", 2)
    with distributed.LocalCluster(
        n_workers=number, threads_per_worker=threads, processes=True, dashboard_address=None, silence_logs=50
    ) as local:
        monkeypatch.setenv(cluster.ADDRESS, local.scheduler_address)
        with pytest.raises(UserError, match=sentence):
            workers.pool().__enter__()


@pytest.mark.parametrize("what", ["Python", "code"])
def test_workers_that_are_others(on_cluster: str, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    own = cluster.about()
    monkeypatch.setattr(cluster, "about", lambda: own | {what: "another"})
    with pytest.raises(UserError, match=f"has another {what} \\({own[what]}, here another\\)"):
        workers.pool().__enter__()


def test_workers_that_see_another_folder(
    on_cluster: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answer = cluster._answer
    monkeypatch.setattr(cluster, "_answer", lambda token: answer(token + "elsewhere"))
    with cluster.chdir(tmp_path), pytest.raises(UserError, match=f"does not see {tmp_path}"):
        workers.pool().__enter__()


def test_without_dask_there_is_a_sentence() -> None:
    code = (
        "import sys; sys.modules['distributed'] = None\n"
        "from stages.core import workers\n"
        "workers.pool().__enter__()"
    )
    env = os.environ | {cluster.ADDRESS: "tcp://127.0.0.1:1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert "pip install 'brainseg[cluster]'" in done.stderr


def test_a_scheduler_that_is_lost_ends_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    local = distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    )
    monkeypatch.setenv(cluster.ADDRESS, local.scheduler_address)

    def lose() -> None:
        with workers.pool() as pool:
            running = pool.submit(slow, 30)
            local.close()
            running.result(timeout=60)

    with pytest.raises(UserError, match="the scheduler was lost"):
        lose()


def test_workers_that_are_all_lost_end_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_ALONE_S", 1.0)
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    ) as local:
        monkeypatch.setenv(cluster.ADDRESS, local.scheduler_address)

        def lose() -> None:
            with workers.pool() as pool:
                running = pool.submit(slow, 30)
                local.scale(0)
                running.result(timeout=60)

        with pytest.raises(
            UserError, match=r"all workers were lost, and none came for 1 s; see their logs, start"
        ):
            lose()


def test_a_worker_that_came_later_and_is_another(
    on_cluster: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with workers.pool() as pool:
        own = cluster.about()
        monkeypatch.setattr(cluster, "about", lambda: own | {"code": "another"})
        with pytest.raises(
            UserError, match=r"a worker on .* has another code \(\w+; the stage has another\)"
        ):
            pool.submit(square, 2).result()
        monkeypatch.undo()
        monkeypatch.setattr(pool, "folder", tmp_path / "gone")
        with pytest.raises(UserError, match=r"a worker on .* does not see .*gone; share the folder"):
            pool.submit(square, 2).result()


def test_libraries_that_a_task_brings_are_held_to_one_thread(tmp_path: Path) -> None:
    for module in ("the first", "another"):
        assert 2 in loosen()  # as a library that is loaded later has as many as there are cores
        cluster._in(str(tmp_path), cluster.about(), module, partial(square, 2))
        assert {library["num_threads"] for library in threadpool_info()} == {1}
