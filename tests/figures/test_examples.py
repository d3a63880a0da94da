"""Pictures of findings: the slice and its label, for whatever can still be read."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from stages.core import tables
from stages.figures import examples
from stages.sources import lgg
from tests.fixtures import scans


def finding(check: str, sample_id: str) -> dict[str, str]:
    return {"severity": "warning", "check": check, "sample_id": sample_id, "file": "", "explanation": ""}


def test_the_first_findings_of_each_check_are_drawn_where_they_can_be(tmp_path: Path) -> None:
    scans.write_lgg(tmp_path / "raw", patients=1, slices=6, size=64)
    case = scans.case_name(0)
    (tmp_path / "raw/kaggle_3m" / case / f"{case}_1.tif").write_bytes(b"damaged")
    (tmp_path / "raw/kaggle_3m" / case / f"{case}_3_mask.tif").write_bytes(b"damaged")
    rows = tables.from_records(lgg.find(tmp_path / "raw").records)
    found = [finding("image", f"{case}_1"), *(finding("blank", f"{case}_{n}") for n in (2, 3, 4, 5))]
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        examples.write(pd.DataFrame(found), rows, tmp_path / "raw", tmp_path / folder)
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == [f"blank-{n}.png" for n in range(examples.EACH)]
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
        drawn = cv2.imread(str(tmp_path / "a" / name))
        assert drawn is not None
        assert drawn.shape == (examples.SIDE, 2 * examples.SIDE, 3)
    outlined = cv2.cvtColor(cv2.imread(str(tmp_path / "a" / "blank-2.png")), cv2.COLOR_BGR2RGB)
    orange = (outlined == examples.OUTLINE).all(axis=2)
    assert orange[:, examples.SIDE :].sum() > 20
    assert not orange[:, : examples.SIDE].any()
    alone = cv2.cvtColor(cv2.imread(str(tmp_path / "a" / "blank-1.png")), cv2.COLOR_BGR2RGB)
    np.testing.assert_array_equal(alone[:, : examples.SIDE], alone[:, examples.SIDE :])


def test_a_finding_on_a_volume_of_numbers_beyond_eight_bits(tmp_path: Path) -> None:
    image = np.linspace(0, 60000, 40 * 20 * 3).reshape(40, 20, 3).astype(np.uint16)
    scans.write_slice(tmp_path, "case", 1, image, np.zeros((40, 20), np.uint8))
    rows = tables.from_records(lgg.find(tmp_path).records)
    (tmp_path / "out").mkdir()
    examples.write(pd.DataFrame([finding("blank", "case_1")]), rows, tmp_path, tmp_path / "out")
    drawn = cv2.imread(str(tmp_path / "out" / "blank-0.png"))
    assert drawn is not None
    assert drawn.shape == (examples.SIDE, examples.SIDE, 3)  # half as wide as high, twice
    assert drawn.max() == 255
