"""How long a batch takes in torch, ONNX and int8: 1 and 2 threads, batches of 1 and 8 slices, median and p95.

    python benchmarks/latency.py            # of the model in models/; prints a Markdown table
    python benchmarks/latency.py --log      # and into the MLflow run of its training

Slices are of the test patients. The forms take turns, so that what else the machine does meets all alike.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from itertools import product

import mlflow
import numpy as np
import onnxruntime
import torch

from stages.core.errors import UserError
from stages.inference import onnx_predictor
from stages.networks import modelfile
from stages.project.paths import HERE
from stages.scan import windows
from stages.store import dataset, shards
from stages.training import tracking

THREADS, BATCHES = (1, 2), (1, 8)
WARM_UP = 5
PERCENTILES = (50, 95)

Run = Callable[[np.ndarray], object]


def answer(session: onnxruntime.InferenceSession, batch: np.ndarray) -> object:
    """What a graph says of a batch."""
    return session.run(None, {session.get_inputs()[0].name: batch})


def forms(threads: int) -> dict[str, Run]:
    """What to call for a batch, by form; int8 only where it was shipped."""
    model, network = modelfile.load(HERE.model, HERE.weights)
    depth = windows.depth_of(model.context)

    @torch.inference_mode()
    def eager(batch: np.ndarray) -> object:
        torch.set_num_threads(threads)
        windows = batch.reshape(*batch.shape[:3], depth, -1).transpose(0, 3, 1, 2, 4)
        return network(torch.from_numpy(windows)).sigmoid().numpy()

    found: dict[str, Run] = {"torch": eager}
    for name, path in (("onnx", HERE.onnx), ("int8", HERE.onnx_int8)):
        if path.exists():
            found[name] = partial(answer, onnx_predictor.session(path, threads))
    return found


def measure(slices: np.ndarray, repeats: int) -> dict[tuple[str, int, int], np.ndarray]:
    """Milliseconds of each (form, threads, batch)."""
    runs = {(name, threads): run for threads in THREADS for name, run in forms(threads).items()}
    spent: dict[tuple[str, int, int], list[float]] = {
        (*key, batch): [] for key, batch in product(runs, BATCHES)
    }
    for turn in range(WARM_UP + repeats):
        for (name, threads), run in runs.items():
            for batch in BATCHES:
                some = slices[np.arange(turn * batch, (turn + 1) * batch) % len(slices)]
                began = time.perf_counter()
                run(some)
                if turn >= WARM_UP:
                    spent[name, threads, batch].append(1000 * (time.perf_counter() - began))
    return {key: np.array(values) for key, values in spent.items()}


def run_of(model: modelfile.Model) -> str:
    """The id of the MLflow run that trained a model, the newest where it was trained several times."""
    mlflow.set_tracking_uri(tracking.uri(HERE.project))
    found = mlflow.search_runs(
        experiment_names=[tracking.EXPERIMENT],
        filter_string=f"tags.data_hash = '{model.data_hash}' and metrics.best_epoch = {model.best_epoch}",
        order_by=["attributes.start_time DESC"],
        output_format="list",
    )
    wanted = {name: str(value) for name, value in model.params.items()}
    for run in found:
        if wanted.items() <= run.data.params.items():
            return str(run.info.run_id)
    raise UserError("MLflow holds no run of this model; train it here, or set MLFLOW_TRACKING_URI")


def main() -> None:
    """Measure, print, and log where asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--log", action="store_true", help="into the MLflow run of the training")
    parser.add_argument("--repeat", type=int, default=50)
    args = parser.parse_args()
    model = modelfile.read(HERE.model)
    run_id = run_of(model) if args.log else None
    opened = shards.open_store(HERE.slices)
    around = dataset.Windows(opened.index, windows.depth_of(model.context))
    slices = windows.flat(around.images(opened, dataset.rows_of(opened, HERE.splits, "test")))
    spent = measure(slices, args.repeat)
    heads = [
        f"{threads} thread{'s' * (threads > 1)}, batch {batch}"
        for threads, batch in product(THREADS, BATCHES)
    ]
    print(f"milliseconds a batch of {model.size} px slices, median / 95th percentile of {args.repeat}\n")
    print("| form |", " | ".join(heads), "|\n| --- |", " | ".join(["---"] * len(heads)), "|")
    for name in dict.fromkeys(key[0] for key in spent):
        cells = [np.percentile(spent[name, *case], PERCENTILES) for case in product(THREADS, BATCHES)]
        print(f"| {name} |", " | ".join(f"{half:.1f} / {most:.1f}" for half, most in cells), "|")
    if run_id:
        values = {
            f"latency_ms.{name}.threads{threads}.batch{batch}.p{percent}": float(np.percentile(ms, percent))
            for (name, threads, batch), ms in spent.items()
            for percent in PERCENTILES
        }
        mlflow.MlflowClient().log_batch(
            run_id,
            [mlflow.entities.Metric(key, value, int(1000 * time.time()), 0) for key, value in values.items()],
        )
        print(f"\nlogged in MLflow run {run_id}")


if __name__ == "__main__":
    main()
