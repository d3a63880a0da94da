"""Channels that are copies of each other."""

from collections.abc import Iterator

import pandas as pd

from stages.checks.check import Finding
from stages.checks.slices import Slices
from stages.formats import formats

COLOURS = formats.colours(3)
COPIED = 0.5
"""Share of a case's slices."""


def copied_channels(case: pd.DataFrame) -> Iterator[Finding]:
    first = case.iloc[0]
    if case["copied_channels"].mean() > COPIED and first["modalities"] != COLOURS:
        text = f"two channels of case {first['case_id']} are the same picture: a sequence is missing"
        yield Finding(first["sample_id"], first["image"], text)


def grey_in_colour(slices: Slices) -> Iterator[Finding]:
    """One finding for the set: programs like to save grey pictures as RGB."""
    rows = slices.rows
    grey = rows[rows["copied_channels"] & (rows["modalities"] == COLOURS)]
    if len(grey):
        text = f"{len(grey)} of {len(rows)} pictures are grey, saved in colour; preprocess.channels: gray "
        text += "stores one channel instead of three"
        yield Finding(grey.iloc[0]["sample_id"], grey.iloc[0]["image"], text)
