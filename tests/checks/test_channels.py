"""Channels that are copies."""

import pandas as pd

from stages.checks import channels
from tests.fixtures.flaws import NOTHING, A, of_check, path


def test_pictures_saved_in_colour(rows: pd.DataFrame) -> None:
    grey = [True] * 3 + [False] * 5
    rows = rows.assign(modalities=channels.COLOURS, copied_channels=grey)
    text = "3 of 8 pictures are grey, saved in colour; preprocess.channels: gray stores one channel instead "
    text += "of three"
    assert of_check(rows, NOTHING, "grey_in_colour") == [
        ("info", "grey_in_colour", f"{A}_1", path(A, 1), text)
    ]
    assert of_check(rows, NOTHING, "copied_channels") == []
    assert of_check(rows.assign(copied_channels=False), NOTHING, "grey_in_colour") == []
