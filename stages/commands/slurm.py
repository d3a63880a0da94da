"""Write a batch script for SLURM that runs experiments of the current commit, each a job.

brainseg slurm --set train.epochs=40 --gpus 1 --time 4:00:00 --out longer.sh && sbatch longer.sh
brainseg slurm --set 'split.folds=5' --set 'split.fold=range(5)' --name folds | sbatch    # an array of five
brainseg slurm --nodes 2 --gpus 8 --partition gpu --set train.batch_size=64             # one training on both
"""

import math
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from stages.core import atomic, errors, workers
from stages.core.errors import UserError
from stages.experiments import runs, slurm
from stages.experiments.slurm import Allocation

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set", "--set-param", "-S", help="section.key=value, as DVC has it; sweeps make an array."
        ),
    ] = None,
    name: Annotated[str, typer.Option(help="Of the job; names of experiments begin with it.")] = "slurm",
    nodes: Annotated[int, typer.Option(help="Machines that train together.")] = 1,
    gpus: Annotated[int, typer.Option(help="GPUs over all nodes, a training process each.")] = 0,
    cpus: Annotated[
        int | None,
        typer.Option(
            "--cpus-per-task",
            help="Cores of a training process, and its threads. [default: as a training here has]",
        ),
    ] = None,
    time: Annotated[str | None, typer.Option(help="Longest time of a job, e.g. 8:00:00.")] = None,
    partition: Annotated[str | None, typer.Option(help="Where to run.")] = None,
    out: Annotated[Path | None, typer.Option(help="A file to write instead of the screen.")] = None,
) -> None:
    """Write a batch script for SLURM; nothing is submitted."""
    if out and out.is_dir():
        raise UserError(f"--out {out} is a folder; name a file")
    asked = os.environ.get(runs.THREADS, "")
    threads = int(asked) if asked.isdecimal() else max(1, math.floor(workers.granted()))
    allocation = Allocation(name, nodes, gpus, threads if cpus is None else cpus, time, partition)
    text = slurm.script(allocation, overrides or [])
    if out:
        atomic.text(text, out)
        print(f"{out} is written; read it, then: sbatch {out}", file=sys.stderr)
    else:
        print(text, end="")


if __name__ == "__main__":
    errors.run(app)
