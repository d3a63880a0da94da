"""How well scans of another scanner are told, how often scans of the same one are, and what that costs.

    python benchmarks/drift.py                                         # generated scanners
    python benchmarks/drift.py --lgg lgg.zip --figshare figshare.zip   # LGG against figshare, as one sequence
    python benchmarks/drift.py --scan case_folder --model models/export   # the cost, as a share of predict

The scans of a set are split 4 to 1 by chance, several times: the larger part is the patients of a model, the
smaller part new scans of the same scanner. Of LGG the middle slice of each patient is taken, for figshare has
single slices. Measures alone are compared; no network answers, but for the cost.
"""

import argparse
import statistics
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np

from stages.framing import transform
from stages.inference import onnx_predictor
from stages.inference.spec import Input
from stages.population import catalogue, differing, outlying, population
from stages.population.catalogue import Measure
from stages.predicting import discovery, outcome, reading, segmenting, standing
from stages.sources import sample

SIZE = 128
SEQUENCES = ["pre", "flair", "post"]
FOLDER = 5
"""Scans of a folder that is held against training."""


def measured(root: Path, channels: list[str], middle: bool = False) -> np.ndarray:
    """The scans below a folder (n, M). middle: of each the middle slice alone."""
    several = len(channels) > 1
    takes = Input(
        name="slices",
        shape=("batch", SIZE, SIZE, len(channels)),
        channels=channels,
        modalities=channels if several else [],
        context=0,
    )
    rows = []
    for scan in discovery.find([root]).scans:
        volume = reading.read(scan, takes)
        voxels = volume.voxels[len(volume.voxels) // 2 :][:1] if middle else volume.voxels
        aspect = volume.spacing.aspect if volume.spacing else 1.0
        fitted, slices = transform.fit_images(voxels, SIZE, True, aspect)
        rows.append(standing.measured(slices, fitted, volume.spacing))
    return np.array(rows)


def tell(own: np.ndarray, other: np.ndarray, channels: list[str], repeats: int, left_out: set[str]) -> None:
    """Print how often scans and folders of the same set, and of another, are said to be unlike it."""
    listed: list[Measure] = catalogue.of(channels)
    names = [measure.name for measure in listed]
    lost = [place for place, name in enumerate(names) if name in left_out]
    own, other = own.copy(), other.copy()
    own[:, lost] = other[:, lost] = np.nan
    shares: dict[str, list[bool]] = {key: [] for key in ("own", "other", "own folder", "other folder")}
    for seed in range(repeats):
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(own))
        cut = len(own) * 4 // 5
        patients = population.of(names, own[order[:cut]])
        for key, scans in (("own", own[order[cut:]]), ("other", rng.permutation(other)[: len(own) - cut])):
            stands = [outlying.of(patients, listed, scan) for scan in scans]
            shares[key] += [own.far_out for own in stands if own]
            shares[f"{key} folder"].append(bool(differing.of(patients, listed, scans[:FOLDER]).differing))
    said = ", ".join(f"{key} {np.mean(values):.3f} of {len(values)}" for key, values in shares.items())
    print(f"  {cut} patients, {repeats} splits; said to be unlike: {said}")


def scanners(patients: int, repeats: int) -> None:
    """Two of the sample's scanners, each of them once as that of training."""
    with tempfile.TemporaryDirectory() as folder:
        sets = []
        for scanner in (0, 1):
            root = Path(folder) / str(scanner)
            for number in range(patients):
                sample.write_case(root, 0, len(sample.SCANNERS) * number + scanner)
            sets.append(measured(root, SEQUENCES))
    for train, new in ((0, 1), (1, 0)):
        print(f"trained on scanner {sample.SCANNERS[train].site}, {sample.SCANNERS[new].site} arrives")
        tell(sets[train], sets[new], SEQUENCES, repeats, set())


def sources(lgg: Path, figshare: Path, repeats: int) -> None:
    """LGG and figshare, each of them once as training's, with all measures and without the matrix."""
    sets = []
    with tempfile.TemporaryDirectory() as folder:
        for archive in (lgg, figshare):
            root = Path(folder) / archive.stem
            with zipfile.ZipFile(archive) as content:
                content.extractall(root)
            sets.append(measured(root, ["gray"], middle=archive is lgg))
    for train, new, name in ((0, 1, "LGG, figshare"), (1, 0, "figshare, LGG")):
        for left_out in (set(), {"matrix", "head_share"}):
            print(
                f"trained on {name} arrives"
                + (f", without {', '.join(sorted(left_out))}" if left_out else "")
            )
            tell(sets[train], sets[new], ["gray"], repeats, left_out)


def cost(scan_path: Path, model_path: Path, repeats: int) -> None:
    """What holding a scan against the patients adds to segmenting it."""
    model = onnx_predictor.open_model(model_path)
    patients = model.spec.population
    (scan, *_) = discovery.find([scan_path]).scans
    volume = reading.read(scan, model.spec.input)
    whole, added = [], []
    with tempfile.TemporaryDirectory() as out:
        for _ in range(repeats):
            began = time.perf_counter()
            outcome.segment(scan, model, Path(out))
            ended = time.perf_counter()
            fitted, slices = segmenting.framed(volume.voxels, volume.spacing, model.spec)
            framed = time.perf_counter()
            standing.of(slices, fitted, volume.spacing, model.spec)
            added.append(time.perf_counter() - framed)
            whole.append(ended - began)
    ratio = statistics.median(added) / statistics.median(whole)
    print(
        f"{len(volume.voxels)} slices, {len(patients) if patients else 0} patients: "
        f"{1000 * statistics.median(added):.1f} of {1000 * statistics.median(whole):.0f} ms, {ratio:.1%}"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--patients", type=int, default=100, help="of each generated scanner")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--lgg", type=Path)
    parser.add_argument("--figshare", type=Path)
    parser.add_argument("--scan", type=Path)
    parser.add_argument("--model", type=Path)
    options = parser.parse_args()
    if options.scan and options.model:
        cost(options.scan, options.model, options.repeats)
    elif options.lgg and options.figshare:
        sources(options.lgg, options.figshare, options.repeats)
    else:
        scanners(options.patients, options.repeats)


if __name__ == "__main__":
    main()
