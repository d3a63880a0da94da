"""Which channels a model gets of a scan, and what is said where they do not fit."""

import numpy as np
import pytest

from stages.inference.spec import Input
from stages.predicting import channels
from stages.scan.header import Unreadable
from tests.fixtures import graphs

SEQUENCES = graphs.describe().input
FLAIR = graphs.describe(channels=("flair",)).input
ONE_OF_THREE = graphs.describe(channels=("flair",), modalities=("pre", "flair", "post")).input
GRAY = graphs.describe(channels=("gray",)).input
MEAN = graphs.describe(channels=("gray",), modalities=("pre", "flair", "post")).input
ANY_MEAN = graphs.describe(channels=("gray",), modalities=()).input
COLOURS = graphs.describe(channels=("red", "green", "blue")).input
RANDOM = np.random.default_rng(0).integers(0, 255, (2, 4, 4, 3), np.uint8)
GREY = RANDOM[..., :1]
AS_RGB = GREY.repeat(3, axis=3)
BLEND = "a colour JPEG blends its colours"
AMBIGUOUS = (
    "its three channels are equal: it is a grey picture saved in colours, which is one sequence, or its "
    "sequences are copies; where they are pre, flair, post, save them as the channels of a TIFF"
)
TWO_OF_THREE = graphs.describe(channels=("flair", "post"), modalities=("pre", "flair", "post")).input
BRATS = graphs.describe(channels=("t1ce", "flair"), modalities=("flair", "t1", "t1ce", "t2")).input


@pytest.mark.parametrize(
    ("wanted", "scan", "expected"),
    [
        (SEQUENCES, RANDOM, RANDOM),
        (FLAIR, GREY, GREY),
        (FLAIR, AS_RGB, GREY),
        (ONE_OF_THREE, RANDOM, RANDOM[..., 1:2]),
        (ONE_OF_THREE, AS_RGB, GREY),
        (ONE_OF_THREE, GREY, GREY),
        (GRAY, GREY, GREY),
        (GRAY, AS_RGB, GREY),
        (GRAY, np.zeros_like(RANDOM), np.zeros_like(GREY)),
        (MEAN, RANDOM, RANDOM.astype(np.float64).mean(axis=3, keepdims=True)),
        (MEAN, GREY, GREY),
        (ANY_MEAN, RANDOM, RANDOM.astype(np.float64).mean(axis=3, keepdims=True)),
        (COLOURS, RANDOM, RANDOM),
        (COLOURS, GREY, AS_RGB),
        (COLOURS, AS_RGB, AS_RGB),
        (SEQUENCES, np.zeros_like(RANDOM), np.zeros_like(RANDOM)),
    ],
)
def test_a_picture_by_the_number_of_its_channels(
    wanted: Input, scan: np.ndarray, expected: np.ndarray
) -> None:
    found = channels.arranged(scan, wanted, raster=True)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert found.shape == expected.shape


def test_a_grey_scan_keeps_its_dtype() -> None:
    """`preprocess.channels: gray` of grey scans must not turn them to float, which is scaled otherwise."""
    assert channels.arranged(GREY, MEAN).dtype == np.uint8


def test_equal_channels_of_a_case_are_sequences_that_were_copied() -> None:
    np.testing.assert_array_equal(channels.arranged(AS_RGB, SEQUENCES), AS_RGB)
    np.testing.assert_array_equal(channels.arranged(AS_RGB, TWO_OF_THREE), AS_RGB[..., :2])


@pytest.mark.parametrize("model_input", [FLAIR, ONE_OF_THREE, GRAY, MEAN, ANY_MEAN])
def test_equal_channels_of_a_case_are_one_sequence_to_a_model_of_one(model_input: Input) -> None:
    np.testing.assert_array_equal(channels.arranged(AS_RGB, model_input), GREY)


@pytest.mark.parametrize(
    ("wanted", "scan", "blended", "message"),
    [
        (SEQUENCES, GREY, "", "it has 1 channel, the model takes 3 (pre, flair, post)"),
        (SEQUENCES, AS_RGB, BLEND, "it has 1 channel, the model takes 3 (pre, flair, post)"),
        (SEQUENCES, AS_RGB, "", AMBIGUOUS),
        (TWO_OF_THREE, AS_RGB, "", AMBIGUOUS),
        (BRATS, AS_RGB, BLEND, "it has 1 channel, the model takes 4 (flair, t1, t1ce, t2)"),
        (SEQUENCES, RANDOM[..., :2], "", "it has 2 channels, the model takes 3 (pre, flair, post)"),
        (
            SEQUENCES,
            RANDOM,
            BLEND,
            "a colour JPEG blends its colours, so its channels cannot be pre, flair, post; save these as the "
            "channels of a TIFF or PNG",
        ),
        (
            FLAIR,
            RANDOM,
            "",
            "it is a colour picture, the model takes one grey sequence (flair); save it as grey",
        ),
        (
            FLAIR,
            np.concatenate([RANDOM, GREY], axis=3),
            "",
            "it is a colour picture, the model takes one grey sequence (flair); save it as grey",
        ),
        (
            ONE_OF_THREE,
            RANDOM,
            BLEND,
            "it is a colour picture, the model takes one grey sequence (flair); save it as grey",
        ),
        (
            GRAY,
            RANDOM,
            "",
            "it is a colour picture, the model takes one grey sequence (gray); save it as grey",
        ),
        (ONE_OF_THREE, RANDOM[..., :2], "", "it has 2 channels, the model takes 3 (pre, flair, post)"),
    ],
)
def test_what_does_not_fit(wanted: Input, scan: np.ndarray, blended: str, message: str) -> None:
    with pytest.raises(Unreadable) as error:
        channels.arranged(scan, wanted, raster=True, blended=blended)
    assert str(error.value) == message


def test_modalities_by_name() -> None:
    assert channels.pick(("flair", "t1", "t1ce"), BRATS) == [2, 0]
    mean = graphs.describe(channels=("gray",), modalities=("flair", "t1")).input
    assert channels.pick(("t1", "t2", "flair"), mean) == [2, 0]
    assert channels.pick((), BRATS) is None
    assert channels.pick(("flair",), GRAY) is None


def test_what_was_picked_is_not_picked_again() -> None:
    """Two channels of two modalities, in another order: positions would swap them back."""
    swapped = graphs.describe(channels=("t1", "flair"), modalities=("flair", "t1")).input
    picked = RANDOM[..., channels.pick(("flair", "t1"), swapped)]
    np.testing.assert_array_equal(channels.arranged(picked, swapped, picked=True), RANDOM[..., [1, 0]])


def test_a_missing_modality_is_named() -> None:
    with pytest.raises(Unreadable) as error:
        channels.pick(("flair", "t2"), BRATS)
    assert str(error.value) == (
        "modality t1ce is missing: the scan has flair, t2, the model takes t1ce, flair"
    )
