"""Slices that are good, made or real."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages.checks import findings, statistics
from stages.core import tables
from stages.sources import lgg
from tests.fixtures import flaws, scans


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two good patients of four slices."""
    scans.write_lgg(tmp_path, patients=2, slices=4)
    return tmp_path


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Manifest and measurements of two good patients of four slices."""
    folder = tmp_path_factory.mktemp("scans")
    scans.write_lgg(folder, patients=2, slices=4)
    table = tables.from_records(lgg.find(folder).records).assign(source="sample")
    return findings.measured(table, statistics.measure(folder, table.to_dict("records")))


@pytest.fixture(scope="module")
def measurements(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Manifest and measurements of two patients with three good slices each, as expectations take them."""
    root = tmp_path_factory.mktemp("scans")
    scans.write_lgg(root, patients=2, slices=3)
    table = tables.from_records(lgg.find(root).records).assign(source="sample")
    numbers = statistics.measure(root, table.to_dict("records"))
    return findings.measured(table, numbers).drop(columns="placement")


@pytest.fixture(scope="module")
def good() -> flaws.Slices:
    """Nine patients of six slices, the heads beside the middle, where a turn would change little."""
    rows, slices, size = [], [], flaws.SIZE
    for patient in range(9):
        name = scans.case_name(patient)
        for k, (image, mask) in enumerate(zip(*scans.volume(6, size, seed=(0, patient)), strict=True), 1):
            row = {"sample_id": f"{name}_{k}", "case_id": name, "patient_id": name, "slice": k}
            row |= {"image": f"{name}_{k}.tif", "mask": f"{name}_{k}_mask.tif", "label_kind": "mask"}
            rows.append({**row, "width": size, "height": size})
            slices.append((flaws.moved(image, 6, 10), flaws.moved((mask > 0).astype(np.uint8), 6, 10)))
    return pd.DataFrame(rows), slices


@pytest.fixture(scope="module")
def real_lgg(lgg_folder: Path) -> flaws.Slices:
    return flaws.read(lgg_folder, lgg)
