"""What 3D costs: training beside its bare step, bf16 beside fp32, and prediction of a case of BraTS's shape.

    python benchmarks/volumes3d.py                 # ten minutes on two cores
    python benchmarks/volumes3d.py --parts predict

A few generated cases make a project in which dynunet is trained and exported; what is measured does not
depend on what they show. Ratios are medians of `--repeat` rounds in turns.
train: an epoch with fetching and augmentation, and as many steps on random tensors of the same window.
precision: the bare step in bf16 and in fp32.
predict: `brainseg predict` of a case of 240 x 240 x 155 voxels with four modalities, its seconds and peak
memory; and the answers for its levels by ONNX Runtime through our windows beside torch through MONAI's
`sliding_window_inference`, the same network, window, overlap and kind of weights.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from monai.inferers import sliding_window_inference
from staging import set_up, stage, watched
from training import Bench
from volumes import SHAPE, write_case

from stages.inference import onnx_predictor, predictor, sliding
from stages.networks import allocation, modelfile
from stages.predicting import discovery, reading, segmenting
from stages.project.paths import HERE

PARTS = ("train", "precision", "predict")
CASES, SMALL = 12, (64, 64, 16)
STAGES = ("ingest", "validate", "preprocess", "split", "augment")


def project(folder: Path, window: list[int]) -> None:
    """Make `folder` a project of small cases, ready for train."""
    for number in range(CASES):
        write_case(folder / "scans" / f"BraTS20_Training_{number:03d}", SMALL, seed=number)
    recipe = {"dims": 3, "arch": "dynunet", "encoder_weights": None, "window": window, "batch_size": 1}
    checks = {"near_duplicate_bits": 0}
    set_up(folder, "brats", train=recipe | {"epochs": 1}, validate=checks)
    for name in STAGES:
        stage(name, folder)


def training(bench: Bench, repeat: int) -> str:
    """An epoch beside its bare steps."""
    rounds = [(bench.ours(), bench.bare()) for _ in range(repeat)]
    ours, bare = np.median(rounds, axis=0)
    share = np.median([own / other for own, other in rounds])
    return f"train: {ours:.3f} windows a second, bare {bare:.3f}, {share:.1%} of it ({bench.precision})"


def precision(bench: Bench, repeat: int) -> str:
    """The bare step in both precisions."""
    rounds = [(bench.bare("bf16"), bench.bare("fp32")) for _ in range(repeat)]
    half, full = np.median(rounds, axis=0)
    return f"precision: bf16 {half:.3f} windows a second, fp32 {full:.3f}, ratio {half / full:.2f}"


def prediction(folder: Path, repeat: int) -> list[str]:
    """The command's time and memory, and the answers beside MONAI's."""
    for name in ("train", "evaluate", "export"):
        stage(name, folder)
    scan = folder / "BraTS20_Training_999"
    write_case(scan, SHAPE, seed=999)
    for modality in scan.glob("*_seg.nii.gz"):
        modality.unlink()
    words = ["stages.commands.predict", str(scan), "--model", str(folder / HERE.export), "--out"]
    runs = [watched([*words, str(folder / f"masks-{number}")], folder) for number in range(repeat)]
    spent, peak = (float(np.median(values)) for values in zip(*runs, strict=True))

    exported = onnx_predictor.open_model(HERE.export)
    model, network = modelfile.load(HERE.model, HERE.weights)
    assert model.window is not None
    (case,) = discovery.find([scan]).scans
    volume = reading.read(case, exported.spec.input)
    _, levels = segmenting.prepared(volume.voxels, 1.0, exported.spec)
    network.eval()

    def through_monai() -> torch.Tensor:
        inputs = torch.from_numpy(levels).permute(3, 0, 1, 2)[None].float()

        def answer(windows: torch.Tensor) -> torch.Tensor:
            return network(windows.permute(0, 2, 3, 4, 1)).sigmoid()

        with torch.inference_mode():
            answers = sliding_window_inference(
                inputs, model.window, 1, answer, overlap=sliding.OVERLAP, mode="gaussian"
            )
        assert isinstance(answers, torch.Tensor)
        return answers

    def ours() -> np.ndarray:
        return predictor.of_volume(exported.predictor, levels, None, ("none",))["none"]

    rounds = []
    for _ in range(repeat):
        began = time.perf_counter()
        ours()
        between = time.perf_counter()
        through_monai()
        rounds.append((between - began, time.perf_counter() - between))
    mine, monai = np.median(rounds, axis=0)
    tta = exported.spec.decision.tta
    return [
        f"predict: {spent:.1f} s, peak {peak:.0f} MiB, with test-time augmentation {tta}",
        f"answers for {levels.shape}: ours {mine:.1f} s, MONAI {monai:.1f} s, "
        f"ratio {np.median([a / b for a, b in rounds]):.2f}",
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--window", type=int, nargs=3, default=[16, 128, 128])
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()
    parts = args.parts.split(",")
    allocation.keep_freed_memory()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        project(folder, args.window)
        os.chdir(folder)
        print(f"dynunet, windows of {args.window}, {torch.get_num_threads()} threads", flush=True)
        if "train" in parts or "precision" in parts:
            bench = Bench()
            if "train" in parts:
                print(training(bench, args.repeat), flush=True)
            if "precision" in parts:
                print(precision(bench, args.repeat), flush=True)
        if "predict" in parts:
            print(*prediction(folder, args.repeat), sep="\n")


if __name__ == "__main__":
    main()
