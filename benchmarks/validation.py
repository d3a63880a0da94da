"""Time and memory of validation: the search for near duplicates, and the stage on a set of LGG's full size.

    python benchmarks/validation.py                   # the search; a minute
    python benchmarks/validation.py --lgg lgg.zip     # and 3,929 slices of 110 patients; 1 GB of temporary files

The set is made of the real slices of the archive: where they run out they come again as another patient,
turned and shrunk a little and with noise added, so that they are neither copies nor near duplicates. Peak
memory is of all processes together (proportional set size, read every 50 ms).
"""

import argparse
import io
import json
import tempfile
import time
import zipfile
from itertools import count, islice
from pathlib import Path

import cv2
import numpy as np
import tifffile
from staging import ROOT, set_up, stage

from stages import layout, params
from stages.slices import fingerprint

HASHES, COPIES = 100_000, 5_000
SLICES, PATIENTS = 3_929, 110
NOISE = 6.0  # standard deviation, of 255


def search() -> None:
    """Random hashes, and copies of some that differ in as many bits as are allowed."""
    random = np.random.default_rng(0)
    bits = params.load(params.Validate, ROOT / "params.yaml").near_duplicate_bits
    width = fingerprint.SIDE**2
    originals = [random.bytes(width // 8).hex() for _ in range(HASHES - COPIES)]
    copies = []
    for original in originals[:COPIES]:
        changed = sum(1 << int(bit) for bit in random.choice(width, bits, replace=False))
        copies.append(f"{int(original, 16) ^ changed:0{width // 4}x}")
    began = time.perf_counter()
    found = fingerprint.near([*originals, *copies], [str(n) for n in range(HASHES)], bits)
    seconds = time.perf_counter() - began
    planted = {(n, HASHES - COPIES + n) for n in range(COPIES)}
    print(
        f"{HASHES} hashes of {width} bits: {seconds:.1f} s, {len(planted & set(found))} of {COPIES} copies and "
        f"{len(set(found) - planted)} other pairs found",
        flush=True,
    )


def write_set(archive: Path, scans: Path) -> None:
    """`SLICES` slices of `PATIENTS` patients as single TIFFs without compression, as the set has them."""
    with zipfile.ZipFile(archive) as packed:
        masks = [name for name in packed.namelist() if name.endswith("_mask.tif")]
        cases: dict[str, list[str]] = {}
        for name in masks:
            cases.setdefault(name.split("/")[-2], []).append(name.replace("_mask", ""))
        left = SLICES
        folders = (list(cases) * (PATIENTS // len(cases) + 1))[:PATIENTS]
        for patient, case in enumerate(folders):
            random = np.random.default_rng(patient)
            new = f"TCGA_{case.split('_')[1]}_{patient:04d}_19960909"
            (scans / "kaggle_3m" / new).mkdir(parents=True)
            turn = np.eye(2, 3)
            if patient >= len(cases):
                angle, scale = random.choice([-1, 1]) * random.uniform(8, 40), random.uniform(0.7, 0.9)
                turn = cv2.getRotationMatrix2D((128, 128), angle, scale)
            names = islice((name for _ in count() for name in cases[case]), share(left, PATIENTS - patient))
            for number, name in enumerate(names, 1):
                image, mask = (tifffile.imread(io.BytesIO(packed.read(one))) for one in pair(name))
                target = scans / "kaggle_3m" / new / f"{new}_{number}.tif"
                if patient >= len(cases) or number > len(cases[case]):
                    image = cv2.warpAffine(image, turn, image.shape[1::-1])
                    mask = cv2.warpAffine(mask, turn, mask.shape[1::-1], flags=cv2.INTER_NEAREST)
                    image = np.clip(image + random.normal(0, NOISE, image.shape), 0, 255).astype(np.uint8)
                tifffile.imwrite(target, image, photometric="rgb")
                tifffile.imwrite(pair(target)[1], mask, photometric="minisblack")
                left -= 1


def main() -> None:
    """Measure the search, and the stage where there are slices to make a set of."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--lgg", type=Path, help="lgg.zip")
    lgg = parser.parse_args().lgg
    search()
    if lgg is None:
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_set(lgg, folder / "scans")
        set_up(folder, "lgg")
        stage("ingest", folder)
        seconds, peak = stage("validate", folder)
        metrics = json.loads((folder / layout.VALIDATE_METRICS).read_text())
    told = ", ".join(f"{name} {number}" for name, number in metrics["checks"].items()) or "none"
    print(
        f"validate, {metrics['slices']} slices of {metrics['patients']} patients: {seconds:.1f} s, "
        f"peak {peak:.0f} MiB; findings: {told}"
    )


if __name__ == "__main__":
    main()
