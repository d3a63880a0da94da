"""Numbers that others publish, and what is told of how they were counted."""

from dataclasses import dataclass

OTHERS = "not told; pooled, per slice or per positive slice in the table above"


@dataclass(frozen=True)
class Published:
    """compare: which of this project's numbers is counted the same way."""

    who: str
    data: str
    number: str
    convention: str
    compare: str


PUBLISHED = (
    Published(
        "Buda, Saha and Mazurowski 2019, arXiv 1906.03720",
        "LGG, 110 patients",
        "Dice 0.82",
        "each patient's volume, mean over patients, cross-validated by patient",
        "each patient's volume, over split.folds",
    ),
    Published(
        "U-Net with a ResNet34 encoder",
        "coco set, whose labels are boxes",
        "test IoU 0.806",
        "not told. The published split leaks: consecutive pictures are often one patient",
        f"{OTHERS}; with split.strategy: source",
    ),
    Published(
        "2D networks on 128 x 128 slices",
        "BraTS 2020",
        "validation Dice 0.84",
        "not told; on validation data, which also chose the epoch",
        OTHERS,
    ),
    Published(
        "Notebooks with BCE and Dice loss",
        "LGG",
        "validation Dice about 0.59",
        "not told; on validation data",
        OTHERS,
    ),
    Published(
        "Notebooks that draw slices at random",
        "LGG",
        "Dice 0.93",
        "slices of one patient are in training and test; how they are averaged is not told",
        f"{OTHERS}; only with split.strategy: slice",
    ),
)
