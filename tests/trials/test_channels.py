"""Channels of a set as a model takes them: by name where names say something, else by their number."""

from typing import Any

import pytest

from stages.core.errors import UserError
from stages.trials import channels
from tests.fixtures import graphs

LGG = "pre;flair;post"
BRATS = "flair;t1;t1ce;t2"


def match(
    takes: tuple[Any, ...], offered: str, modalities: tuple[str, ...] | None = None
) -> channels.Channels:
    described = graphs.describe(channels=tuple(takes), modalities=modalities)
    return channels.match(described.input, [offered])


@pytest.mark.parametrize(
    ("takes", "offered", "taken"),
    [
        (("flair",), LGG, ["flair"]),
        (("flair",), BRATS, ["flair"]),
        (("pre", "flair", "post"), BRATS, ["t1", "flair", "t1ce"]),
        (("t1ce", "flair"), LGG, ["post", "flair"]),
        (("FLAIR", "T1w"), "T1w;FLAIR", ["FLAIR", "T1w"]),
        (("red", "green", "blue"), "red;green;blue", ["red", "green", "blue"]),
        (("dwi",), "dwi;adc", ["dwi"]),
    ],
)
def test_sequences_go_by_their_names_whatever_the_set_calls_them(
    takes: tuple[Any, ...], offered: str, taken: list[str]
) -> None:
    matched = match(takes, offered)
    assert matched.taken == taken
    renamed = [(ours, theirs) for ours, theirs in zip(takes, taken, strict=True) if ours != theirs]
    assert matched.sentences == tuple(f"its {theirs} is taken for {ours}" for ours, theirs in renamed)


def test_a_picture_that_tells_no_sequence_is_taken_with_a_sentence() -> None:
    matched = match(("flair",), "gray")
    assert matched.taken == ["gray"]
    assert matched.sentences == ("nothing tells the sequence of gray, which is taken for flair",)


def test_the_mean_of_channels_is_of_the_same_ones() -> None:
    of_pictures = match(("gray",), "red;green;blue", modalities=("red", "green", "blue"))
    assert (of_pictures.taken, of_pictures.sentences) == ("gray", ())
    renamed = match(("gray",), "t1ce;flair;t1", modalities=("pre", "flair", "post"))
    assert (renamed.taken, len(renamed.sentences)) == ("gray", 1)


@pytest.mark.parametrize(
    ("takes", "modalities", "offered", "sentence"),
    [
        (("t2",), None, LGG, "takes t2 and the scans have pre, flair, post: t2 is missing"),
        (("pre", "flair", "post"), None, "gray", "takes pre, flair, post and the scans have gray"),
        (
            ("gray",),
            ("flair", "t1"),
            BRATS,
            "takes the mean of flair, t1 and the scans have flair, t1, t1ce",
        ),
    ],
)
def test_what_a_set_lacks_is_a_sentence(
    takes: tuple[Any, ...], modalities: tuple[str, str] | None, offered: str, sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence):
        match(takes, offered, modalities)


def test_scans_of_different_kinds_are_not_scored_together() -> None:
    with pytest.raises(UserError, match=r"differ in their modalities .*score each kind by itself"):
        channels.match(graphs.describe().input, [LGG, "flair"])
