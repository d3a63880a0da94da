"""What the published sets are said to hold, by `ingest.source`: a subset, or another set, shows at once."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Card:
    """Counts from a data set's own page or paper; None where it does not tell."""

    slices: int | None
    patients: int | None
    sides: tuple[int, ...]  # widths and heights in pixels
    channels: int
    top: float | None  # highest value a pixel can have
    about: str


CARDS = {
    "sample": Card(None, None, (192,), 3, 255, "generated"),
    "lgg": Card(3929, 110, (256,), 3, 255, "Buda et al., Computers in Biology and Medicine 109 (2019)"),
    "coco": Card(2146, None, (640,), 3, 255, "Kaggle, brain-tumor-image-dataset-semantic-segmentation"),
    "pairs": Card(3064, None, (512, 256), 1, 255, "Cheng, figshare 1512427 (2017)"),
    "brats": Card(369 * 155, 369, (240,), 4, None, "BraTS 2020 training data, 369 volumes of 155 slices"),
}
