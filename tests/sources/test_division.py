"""The division a source came with, by the names of its folders."""

from pathlib import PurePosixPath

import pytest

from stages.sources import division


@pytest.mark.parametrize(
    ("path", "split"),
    [
        ("train/images/1.png", "train"),
        ("Training/1.png", "train"),
        ("images/VAL/1.png", "val"),
        ("set/valid/masks/1.png", "val"),
        ("validation/a/b/1.png", "val"),
        ("Testing/glioma/1.jpg", "test"),
        ("test/1.png", "test"),
        ("train/test/1.png", "test"),  # the innermost counts
        ("test/train/images/1.png", "train"),
        ("images/train.png", ""),  # a file's own name is no folder
        ("train", ""),
        ("1.png", ""),
        ("trained/tests/1.png", ""),
        ("images/1.png", ""),
    ],
)
def test_the_innermost_folder_that_names_a_part(path: str, split: str) -> None:
    assert division.of(PurePosixPath(path)) == split
