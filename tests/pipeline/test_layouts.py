"""A data set in the layout of BIDS comes to a split without a file being moved; one of nnU-Net's comes to a
model in test_volumes.py.
"""

from pathlib import Path

from stages.core import tables
from stages.project.paths import Paths
from tests.fixtures import layouts
from tests.pipeline.prepared import prepared


def test_the_sessions_of_a_subject_of_bids_are_in_one_part_of_the_split(tmp_path: Path) -> None:
    layouts.write_bids(tmp_path / "bids", subjects=6, sessions=2)
    paths = Paths(tmp_path / "project")
    prepared(paths, source="nifti", location=str(tmp_path / "bids"))
    splits = tables.read(tables.SPLITS, paths.splits)
    assert splits["case_id"].nunique() == 12
    assert (splits.groupby("patient_id")["split"].nunique() == 1).all()
    assert set(splits["patient_id"]) == {f"sub-0{subject}" for subject in range(1, 7)}
