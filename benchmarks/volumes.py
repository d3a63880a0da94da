"""Memory and time of preprocess on generated volumes of BraTS's shape: 240 x 240 x 155 voxels, four
modalities.

    python benchmarks/volumes.py            # 10, 20 and 40 cases; about 3 GB of temporary files, 3 minutes

Peak memory is of all processes together (proportional set size, read every 50 ms), so that pages which
workers share count once. The cases are copies of one another: what is measured does not depend on what they
show.
"""

import argparse
import shutil
import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np
from staging import set_up, stage

from stages.core import tables
from stages.project.paths import HERE

SHAPE = (240, 240, 155)


def write_case(folder: Path, shape: tuple[int, int, int] = SHAPE, seed: int = 0) -> None:
    """One case: an ellipsoid of noise with a tumour of three labels, int16, as BraTS 2020 to 2023 come."""
    random = np.random.default_rng(seed)
    grid = np.ogrid[tuple(slice(-1, 1, n * 1j) for n in shape)]
    away = sum((axis / 0.75) ** 2 for axis in grid)
    tumour = sum(((axis - 0.2) / 0.2) ** 2 for axis in grid)
    folder.mkdir(parents=True)
    for modality in ("flair", "t1", "t1ce", "t2"):
        voxels = (away < 1) * random.normal(600, 120, shape)
        save(voxels.astype(np.int16), folder / f"{folder.name}_{modality}.nii.gz")
    labels = np.select([tumour < 0.2, tumour < 0.5, tumour < 1], [1, 4, 2], 0)
    save(labels.astype(np.int16), folder / f"{folder.name}_seg.nii.gz")


def save(voxels: np.ndarray, path: Path) -> None:
    nib.Nifti1Image(voxels, np.diag([-1.0, -1.0, 1.0, 1.0])).to_filename(path)


def project(folder: Path, cases: int) -> None:
    """A folder with so many ingested cases, ready for preprocess."""
    scans = folder / "scans"
    first = scans / "BraTS20_Training_000"
    write_case(first)
    for number in range(1, cases):
        name = f"BraTS20_Training_{number:03d}"
        (scans / name).mkdir()
        for file in first.iterdir():
            shutil.copyfile(file, scans / name / file.name.replace(first.name, name))
    set_up(folder, "brats")
    stage("ingest", folder)
    shutil.rmtree(scans)
    table = tables.read(tables.MANIFEST, folder / HERE.manifest)
    tables.write(table.assign(group=table["patient_id"]), folder / HERE.validated)


def main() -> None:
    """Measure the sizes one after the other."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--cases", type=int, nargs="+", default=[10, 20, 40])
    for cases in parser.parse_args().cases:
        with tempfile.TemporaryDirectory() as temporary:
            project(Path(temporary), cases)
            seconds, peak = stage("preprocess", Path(temporary))
        print(
            f"{cases} cases: {seconds:.1f} s, {seconds / cases:.2f} s a case, peak {peak:.0f} MiB", flush=True
        )


if __name__ == "__main__":
    main()
