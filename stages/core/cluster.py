"""The workers of a Dask cluster in the place of processes on this machine.

Outs are the same: a task depends on what it is handed alone, and its callers put the answers in order.
"""

import platform
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor, Future
from contextlib import chdir, contextmanager, nullcontext
from functools import cache, partial
from pathlib import Path
from threading import Event, Thread
from typing import Any, ParamSpec, TypeVar
from uuid import uuid4

from threadpoolctl import threadpool_limits

from stages.core import code, slurm
from stages.core.errors import UserError

ADDRESS = "BRAINSEG_SCHEDULER"
"""Environment variable: a scheduler's tcp://host:8786, or "slurm". No param: it changes no result."""
_PATIENCE_S = 10
"""Until a scheduler, and its first worker, must have answered."""
_ALONE_S = 60.0
"""Without any worker, until tasks are given up."""
P = ParamSpec("P")
T = TypeVar("T")


@contextmanager
def executor(address: str) -> Iterator[Executor]:
    """The workers of a scheduler; of "slurm", those of jobs that are cancelled afterwards. They must run this
    code and this Python, one thread each, and see this folder under its name here.

    Raises `UserError` where there is no scheduler or no worker, where a worker is another or sees nothing,
    and where workers are lost faster than they are replaced.
    """
    try:
        import distributed
    except ModuleNotFoundError:
        raise UserError(
            f"{ADDRESS} is set, and dask is not installed; pip install 'brainseg[cluster]', or unset it"
        ) from None
    with slurm.started() if address == slurm.NAME else nullcontext(address) as place:
        try:
            client = distributed.Client(place, timeout=_PATIENCE_S, set_as_default=False)
        except (OSError, ValueError) as error:
            raise UserError(
                f"{ADDRESS} {address}: no scheduler answers there ({_first_line(error)}); start one with "
                "`dask scheduler`, or unset the variable"
            ) from None
        with client:
            _checked(client, address)
            with _sentences(address, client):
                yield _Here(client.get_executor(pure=False), Path.cwd())


@contextmanager
def _sentences(address: str, client: Any) -> Iterator[None]:
    """Raise `UserError` where tasks, all workers, or the scheduler, are lost."""
    import distributed

    done, lost = Event(), Event()
    watch = Thread(target=_watch, args=(client, done, lost), daemon=True)
    watch.start()
    try:
        yield
    except distributed.KilledWorker as error:
        raise UserError(
            f"{ADDRESS} {address}: a task ended {error.allowed_failures + 1} workers, as tasks do for "
            "which there is not enough memory; see the workers' logs"
        ) from None
    except (CancelledError, distributed.comm.CommClosedError) as error:
        if lost.is_set():
            raise UserError(
                f"{ADDRESS} {address}: all workers were lost, and none came for {_ALONE_S:g} s; see their "
                "logs, start some and run again"
            ) from None
        raise UserError(
            f"{ADDRESS} {address}: the scheduler was lost ({_first_line(error)}); start it and run again"
        ) from None
    finally:
        done.set()
        watch.join()


def _watch(client: Any, done: Event, lost: Event) -> None:
    """Close a client, which ends all that waits for tasks, once it had no worker for a while: Dask itself
    waits for another for good.
    """
    alone_since = None
    while not done.wait(_ALONE_S / 10):
        try:
            if client.scheduler_info(n_workers=1)["workers"]:
                alone_since = None
                continue
        except Exception:  # the scheduler is lost, which the tasks say
            continue
        alone_since = alone_since or time.monotonic()
        if time.monotonic() - alone_since >= _ALONE_S:
            lost.set()
            client.close(timeout=1)
            return


def _checked(client: Any, address: str) -> None:
    """Raise `UserError` where workers are missing, or not what they must be."""
    try:
        client.wait_for_workers(1, timeout=_PATIENCE_S)
    except TimeoutError:
        raise UserError(
            f"{ADDRESS} {address}: the scheduler has no workers; start some with "
            f"`dask worker {address} --nthreads 1`"
        ) from None
    for name, worker in client.scheduler_info(n_workers=-1)["workers"].items():
        if worker["nthreads"] != 1:
            raise UserError(
                f"{ADDRESS}: worker {name} runs {worker['nthreads']} tasks at a time, which would change "
                "folders under each other; start it with --nthreads 1, and more of them"
            )
    own = about()
    token = Path.cwd() / ".scratch" / f"cluster-{uuid4().hex}"
    token.parent.mkdir(exist_ok=True)
    token.touch()
    try:
        answers = client.run(_answer, str(token), on_error="return")
    finally:
        token.unlink()
    for name, answer in answers.items():
        if isinstance(answer, Exception):
            raise UserError(
                f"{ADDRESS}: worker {name} cannot run this program ({_first_line(answer)}); install brainseg "
                "there"
            )
        other, sees = answer
        for what, mine in own.items():
            if other.get(what) != mine:
                raise UserError(
                    f"{ADDRESS}: worker {name} has another {what} ({other.get(what)}, here {mine}); give it "
                    "the same, and start it again"
                )
        if not sees:
            raise UserError(
                f"{ADDRESS}: worker {name} does not see {Path.cwd()}; share the folder with it under this "
                "name"
            )


def about() -> dict[str, str]:
    """What must be the same at every worker, for the same outs."""
    return {"Python": platform.python_version(), "code": code.digest()[:12]}


def _answer(token: str) -> tuple[dict[str, str], bool]:
    """At a worker: what it is, and whether it sees a file."""
    return about(), Path(token).exists()


class _Here(Executor):
    """Runs tasks in this process' folder, as processes of a pool do: paths of stages are relative to it."""

    def __init__(self, executor: Executor, folder: Path) -> None:
        self.executor = executor
        self.folder = folder

    def submit(self, task: Callable[P, T], /, *arguments: P.args, **keywords: P.kwargs) -> Future[T]:
        call = partial(task, *arguments, **keywords)
        return self.executor.submit(_in, str(self.folder), about(), _module(task), call)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self.executor.shutdown(wait=wait)


def _in(folder: str, own: dict[str, str], module: str, task: Callable[[], T]) -> T:
    """At a worker, which may have come after the others were looked at: a task in a folder."""
    _limit(module)
    worker = f"{ADDRESS}: a worker on {platform.node()}"
    for what, there in own.items():
        if (here := about()[what]) != there:
            raise UserError(
                f"{worker} has another {what} ({here}; the stage has {there}); give it the same, and start "
                "it again"
            )
    if not Path(folder).is_dir():
        raise UserError(f"{worker} does not see {folder}; share the folder with it under this name")
    with chdir(folder):
        return task()


def _module(task: Callable[..., Any]) -> str:
    while isinstance(task, partial):
        task = task.func
    return task.__module__


@cache
def _limit(module: str) -> None:
    """Hold the pools of the libraries that a task's module brought along to one thread each."""
    threadpool_limits(1)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
