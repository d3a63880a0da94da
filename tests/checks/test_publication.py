"""Another set than the published one."""

import dataclasses

import pandas as pd
import pytest

from stages.sources.sources import SOURCES
from tests.fixtures.flaws import NOTHING, A, of_check, path


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (
            "lgg",
            "the published set has 3,929 slices of 110 patients, here are 8 of 2: results do not compare "
            "(Buda et al., Computers in Biology and Medicine 109 (2019))",
        ),
        (
            "coco",
            "the published set has 2,146 slices, here are 8: results do not compare "
            "(Kaggle, brain-tumor-image-dataset-semantic-segmentation)",
        ),
        (
            "brats",
            "the published set has 57,195 slices of 369 patients, here are 8 of 2: results do not compare "
            "(BraTS 2020 training data, 369 volumes of 155 slices)",
        ),
    ],
)
def test_another_set_than_the_published_one(rows: pd.DataFrame, source: str, text: str) -> None:
    findings = of_check(rows.assign(source=source), NOTHING, "subset")
    assert findings == [("info", "subset", f"{A}_1", path(A, 1), text)]


def test_as_many_slices_of_as_many_patients_are_the_published_set(
    rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    lgg = SOURCES["lgg"]
    assert lgg.card
    for slices, patients, subset in ((8, 2, 0), (8, None, 0), (8, 3, 1), (9, 2, 1), (9, None, 1)):
        card = dataclasses.replace(lgg.card, slices=slices, patients=patients)
        monkeypatch.setitem(SOURCES, "lgg", dataclasses.replace(lgg, card=card))
        assert len(of_check(rows.assign(source="lgg"), NOTHING, "subset")) == subset
    assert of_check(rows.assign(source="sample"), NOTHING, "subset") == []
