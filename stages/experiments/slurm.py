"""A batch script for SLURM, for a person to read and submit: experiments of this commit, each a job."""

import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from stages.core import git
from stages.core.errors import UserError
from stages.experiments import experiment, revision, tracked
from stages.experiments.experiment import Experiment

BODY = (Path(__file__).parent / "templates/slurm.sh").read_text(encoding="utf-8")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
_PARTITION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.,-]*")
_TIME = re.compile(r"\d+(:\d\d?){0,2}|\d+-\d+(:\d\d?){0,2}")


@dataclass(frozen=True)
class Allocation:
    """What a job asks SLURM for. name: of the job, and how its experiments' names begin. gpus: over all
    nodes, a training process each; 0 for none. cpus: of each training process, and its threads. time,
    partition: as SLURM writes them; None for the cluster's own.
    """

    name: str
    nodes: int
    gpus: int
    cpus: int
    time: str | None = None
    partition: str | None = None

    def __post_init__(self) -> None:
        """Raise `UserError` where SLURM or git would not take it: these lines know no quotes."""
        if not _NAME.fullmatch(self.name):
            raise UserError(f"--name {self.name} may have letters, digits, - and _, and begins with no -")
        if self.partition is not None and not _PARTITION.fullmatch(self.partition):
            raise UserError(f"--partition {self.partition} is no name of a partition; `sinfo` lists them")
        if self.time is not None and not _TIME.fullmatch(self.time):
            raise UserError(f"--time {self.time} is not as SLURM has it: minutes, h:mm:ss or d-hh:mm:ss")
        for option, number, least in (
            ("nodes", self.nodes, 1),
            ("gpus", self.gpus, 0),
            ("cpus-per-task", self.cpus, 1),
        ):
            if number < least:
                raise UserError(f"--{option} {number} is too few; give {least} or more")
        if self.gpus % self.nodes:
            raise UserError(
                f"--gpus {self.gpus} is over all nodes and cannot be shared by {self.nodes}; make it a "
                "multiple of --nodes"
            )

    def overrides(self, overrides: list[str]) -> list[str]:
        """Those and what follows from the allocation, where params.yaml has something else."""
        chosen = {word.partition("=")[0] for word in overrides}
        if "train.nodes" in chosen:
            raise UserError("train.nodes follows from --nodes; leave it out")
        if self.gpus and "train.devices" in chosen:
            raise UserError("train.devices follows from --gpus; leave it out")
        params = experiment.resolved([]).train
        asked = {"nodes": self.nodes} | ({"devices": self.gpus // self.nodes} if self.gpus else {})
        return [
            *overrides,
            *(f"train.{key}={value}" for key, value in asked.items() if value != getattr(params, key)),
        ]

    def directives(self, processes: int, experiments: int) -> list[str]:
        """The #SBATCH lines. processes: of training on each node."""
        asked = {
            "job-name": self.name,
            "nodes": self.nodes,
            "ntasks-per-node": processes,
            "cpus-per-task": self.cpus,
            "gpus-per-node": self.gpus // self.nodes or None,
            "time": self.time,
            "partition": self.partition,
            "array": f"0-{experiments - 1}" if experiments > 1 else None,
        }
        return [f"#SBATCH --{option}={value}" for option, value in asked.items() if value is not None]


@dataclass(frozen=True)
class Place:
    """Where jobs find what they need, under the same names on every node. repository: git's root; folder:
    the project's in it, "" or with a slash at its end; cache: DVC's; python: of the environment.
    """

    repository: str
    folder: str
    commit: str
    cache: str
    python: str

    @classmethod
    def here(cls) -> "Place":
        """The project in the working folder. Raises `UserError` where it differs from its commit."""
        changed = revision.uncommitted([Path()])
        changed += git.text("ls-files", "--others", "--exclude-standard", "--", "stages").splitlines()
        if changed:
            raise UserError(
                f"{changed[0]} is not as HEAD has it, and jobs run what is committed; commit it, or put it "
                "back"
            )
        from dvc.exceptions import DvcException
        from dvc.repo import Repo

        try:
            with Repo(".") as repo:
                cache = repo.cache.local_cache_dir
        except DvcException as error:
            raise UserError(f"DVC cannot open this folder ({error}); run this in the project's") from None
        top, folder = (git.text("rev-parse", f"--show-{word}").strip() for word in ("toplevel", "prefix"))
        return cls(top, folder, experiment.base().commit, cache, sys.executable)

    def lines(self) -> list[str]:
        """As assignments of a shell."""
        return [f"{name}={shlex.quote(value)}" for name, value in vars(self).items()]


def script(allocation: Allocation, overrides: list[str]) -> str:
    """The script. overrides: -S words; of sweeps, such as train.lr=choice(1e-4,1e-3), each combination is an
    experiment, and the script an array of jobs. Raises `UserError` where a word or value is not valid.
    """
    from dvc.utils.hydra import get_hydra_sweeps

    words = allocation.overrides(overrides)
    try:
        combinations = [each["params.yaml"] for each in get_hydra_sweeps({"params.yaml": words})]
    except Exception:  # of hydra, which DVC lets pass
        raise UserError(f"DVC cannot read --set {' --set '.join(words)}; give section.key=value") from None
    place = Place.here()
    base = experiment.base()
    planned = [experiment.plan(base, allocation.name, each) for each in combinations]
    devices = {experiment.resolved(each).train.devices for each in combinations}
    if len(devices) > 1:
        raise UserError("train.devices decides what a job asks for; write a script for each of its values")
    tracked.prepare()  # jobs of an array begin at once
    # "auto" without GPUs is one process.
    processes = 1 if (device := devices.pop()) == "auto" else int(device)
    return "\n".join(
        [
            "#!/usr/bin/env bash",
            *_head(allocation, place, planned),
            *allocation.directives(processes, len(planned)),
            "set -euo pipefail",
            "",
            "# Every node sees these under the same names.",
            *place.lines(),
            f"export nodes={allocation.nodes} processes={processes} threads={allocation.cpus}",
            "",
            *_experiments(planned),
            "",
            BODY,
        ]
    )


def _head(allocation: Allocation, place: Place, planned: list[Experiment]) -> list[str]:
    what = f"{len(planned)} experiments, a job each," if len(planned) > 1 else "One experiment"
    return [
        f"# {what} of commit {place.commit[:7]}, written by `brainseg slurm`. Read it, add what your",
        "# cluster wants to know (account, memory), and run: sbatch FILE. `dvc exp show` has what came home.",
        "# Submitted again, it runs what is not there yet; trainings go on after their last finished epoch.",
        "#",
    ]


def _experiments(planned: list[Experiment]) -> list[str]:
    """Name and words of this job's experiment, as shell."""
    assigned = [
        f"name={each.name} words=("
        + " ".join(part for word in each.overrides for part in ("-S", shlex.quote(word)))
        + ")"
        for each in planned
    ]
    if len(assigned) == 1:
        return [assigned[0].replace(" words=", "\nwords=")]
    return [
        'case "${SLURM_ARRAY_TASK_ID:?submit this with sbatch}" in',
        *(f"  {number}) {each} ;;" for number, each in enumerate(assigned)),
        '  *) echo "error: there is no experiment $SLURM_ARRAY_TASK_ID in this script" >&2; exit 2 ;;',
        "esac",
    ]
