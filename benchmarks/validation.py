"""Time and memory of validation: the search for near duplicates, and the stage on a set of LGG's full size.

    python benchmarks/validation.py                   # the search; a minute
    python benchmarks/validation.py --lgg lgg.zip     # and 3,929 slices of 110 patients; 1 GB on the disk

The set is made of the real slices of the archive: where they run out they come again as another patient,
turned, shrunk and with noise added, so that it is no copy. Peak memory is of all processes together
(proportional set size, read every 50 ms).
"""

import argparse
import io
import json
import os
import tempfile
import time
import zipfile
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np
import tifffile
from staging import ROOT, set_up, stage

from stages.core import natural
from stages.fingerprints import fingerprint
from stages.project import params
from stages.project.paths import HERE

HASHES, COPIES = 100_000, 5_000
SLICES, PATIENTS = 3_929, 110
TURN = 11.0  # degrees: four times that is all there is, for a head turned by 45 is one turned by -45
SHRUNK = 0.8
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
        f"{HASHES} hashes of {width} bits: {seconds:.1f} s, found {len(planted & set(found))} of {COPIES} "
        f"copies and {len(set(found) - planted)} other pairs",
        flush=True,
    )


def write_set(archive: Path, scans: Path) -> None:
    """`SLICES` slices of `PATIENTS` patients, each a TIFF without compression, as the set has them."""
    with zipfile.ZipFile(archive) as packed:
        names = sorted((name for name in packed.namelist() if name.endswith("_mask.tif")), key=natural.key)
        cases = [list(names) for _, names in groupby(names, key=os.path.dirname)]
        wanted = np.array_split(np.arange(SLICES - len(names)), PATIENTS - len(cases))
        for patient in range(PATIENTS):
            case = cases[patient % len(cases)]
            again = patient >= len(cases)
            if again:
                positions = np.linspace(0, len(case) - 1, len(wanted[patient - len(cases)]))
                case = [case[round(position)] for position in positions]
            site = Path(case[0]).name.split("_")[1]
            folder = scans / "kaggle_3m" / f"TCGA_{site}_{1000 + patient}_19960909"
            folder.mkdir(parents=True)
            random = np.random.default_rng(patient)
            for number, name in enumerate(case, 1):
                mask, image = (read(packed, one) for one in (name, name.replace("_mask", "")))
                if again:
                    image, mask = altered(image, mask, TURN * (patient // len(cases)), random)
                stem = folder / f"{folder.name}_{number}"
                tifffile.imwrite(f"{stem}.tif", image, photometric="rgb")
                tifffile.imwrite(f"{stem}_mask.tif", mask, photometric="minisblack")


def read(packed: zipfile.ZipFile, name: str) -> np.ndarray:
    return tifffile.imread(io.BytesIO(packed.read(name)))


def altered(
    image: np.ndarray, mask: np.ndarray, degrees: float, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Turned, shrunk, and with noise in the image."""
    size = (image.shape[1], image.shape[0])
    matrix = cv2.getRotationMatrix2D((size[0] / 2, size[1] / 2), degrees, SHRUNK)
    noisy = cv2.warpAffine(image, matrix, size) + random.normal(0, NOISE, image.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8), cv2.warpAffine(
        mask, matrix, size, flags=cv2.INTER_NEAREST
    )


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
        metrics = json.loads((folder / HERE.validate_metrics).read_text())
    told = ", ".join(f"{name} {number}" for name, number in metrics["checks"].items()) or "none"
    print(
        f"validate, {metrics['slices']} slices of {metrics['patients']} patients: {seconds:.1f} s, "
        f"peak {peak:.0f} MiB; findings: {told}"
    )


if __name__ == "__main__":
    main()
