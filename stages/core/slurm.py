"""Workers in jobs of SLURM, which dask-jobqueue submits, and cancels when they are done with.

Always so many as the file says, never more or fewer by load: whoever shares a cluster plans with them.
"""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stages.core.errors import UserError, reason

NAME = "slurm"
"""What BRAINSEG_SCHEDULER is then, in the place of an address."""
FILE = "BRAINSEG_CLUSTER"
"""Environment variable that names the file; without it, cluster.yaml in the working folder."""
_COMMANDS = ("sbatch", "scancel")
Count = Annotated[int, Field(ge=1)]


class Jobs(BaseModel):
    """cluster.yaml. jobs: how many. cores: workers of a job, a thread each. memory: of a job. wait_minutes:
    until the first worker must have come. The others go to dask-jobqueue's `SLURMCluster` by their names;
    what is not there is as dask's own configuration has it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    jobs: Count
    cores: Count
    memory: str
    wait_minutes: Annotated[float, Field(gt=0)] = 15.0
    queue: str | None = None
    account: str | None = None
    walltime: str | None = None
    interface: str | None = None
    local_directory: str | None = None
    log_directory: str | None = None
    job_script_prologue: list[str] | None = None
    job_extra_directives: list[str] | None = None

    def options(self) -> dict[str, Any]:
        """Of `SLURMCluster`."""
        own = self.model_dump(exclude={"jobs", "wait_minutes"}, exclude_none=True)
        return own | {"processes": self.cores}


def read(path: Path) -> Jobs:
    """Raises `UserError` where the file is missing, no YAML, or has a key or value that it cannot have."""
    try:
        with path.open(encoding="utf-8") as stream:
            content = YAML(typ="safe", pure=True).load(stream)
        return Jobs.model_validate(content)
    except FileNotFoundError:
        raise UserError(
            f"{path} is not there, which says what SLURM is asked for; write it (jobs, cores, memory), or "
            f"name another by {FILE}"
        ) from None
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise UserError(f"{path} cannot be read ({reason(error)}); mend it") from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        keys = ", ".join(Jobs.model_fields)
        if first["type"] == "extra_forbidden":
            raise UserError(f"{path}: {key} is no key of it; its keys are {keys}") from None
        if first["type"] == "missing":
            raise UserError(f"{path}: {key} is missing; add it") from None
        raise UserError(f"{path}{f': {key}' if key else ''}: {first['msg']}; mend it") from None


@contextmanager
def started() -> Iterator[str]:
    """The address of a scheduler in this process, with the first of its workers there.

    Raises `UserError` where the file is wrong, where SLURM takes no jobs, and where none of them starts.
    """
    path = Path(os.environ.get(FILE) or "cluster.yaml")
    jobs = read(path)
    cluster = _cluster(path, jobs)
    with cluster:
        try:
            cluster.sync(_submit, cluster, jobs.jobs)
        except RuntimeError as error:
            raise UserError(f"{path}: SLURM does not take the job ({_complaint(error)}); mend it") from None
        try:
            cluster.wait_for_workers(1, timeout=60 * jobs.wait_minutes)
        except TimeoutError:
            raise UserError(
                f"{path}: none of {jobs.jobs} SLURM jobs came to work within {jobs.wait_minutes:g} minutes; "
                "see why in `squeue --me` and in the jobs' logs, or set wait_minutes"
            ) from None
        yield cluster.scheduler_address


def _cluster(path: Path, jobs: Jobs) -> Any:
    interrupted = signal.getsignal(signal.SIGINT)
    try:
        from dask_jobqueue import SLURMCluster
        from dask_jobqueue.slurm import SLURMJob
        from distributed.core import Status
    except ModuleNotFoundError:
        raise UserError(
            "BRAINSEG_SCHEDULER is slurm, and dask-jobqueue is not installed; pip install 'brainseg[cluster]'"
        ) from None
    # Its import makes Ctrl-C end a program with status 0, as if its work were done.
    signal.signal(signal.SIGINT, interrupted)
    if missing := [name for name in _COMMANDS if not shutil.which(name)]:
        raise UserError(
            f"BRAINSEG_SCHEDULER is slurm, and {missing[0]} is not here; run this where jobs are submitted"
        )

    class Job(SLURMJob):
        async def start(self) -> None:
            try:
                await super().start()
            except RuntimeError:
                self.status = Status.closed  # else the cluster waits at its end for what never began
                raise

    quiet = {"dashboard": False, "dashboard_address": ":0"}
    try:
        return SLURMCluster(job_cls=Job, **jobs.options(), scheduler_options=quiet, silence_logs=50)
    except (ValueError, RuntimeError) as error:
        raise UserError(f"{path} makes no SLURM jobs ({reason(error)}); mend it") from None


async def _submit(cluster: Any, number: int) -> None:
    # Not by `scale`, which submits behind one's back: what SLURM answers would be a traceback in the log.
    for _ in range(number):
        cluster.worker_spec.update(cluster.new_worker_spec())
    await cluster


def _complaint(error: BaseException) -> str:
    """What `sbatch` says, of all that dask-jobqueue says of its failing."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    own = [line for line in lines if line.startswith("sbatch:")]
    return (own or lines or [type(error).__name__])[-1][:160]
