"""Pictures for the report: drawn without a display, equal bytes for equal numbers."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stages.figures import picture

# Okabe and Ito's palette: told apart by readers with any kind of colour vision.
BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#666666"
SPLIT_COLOURS = {"train": BLUE, "val": ORANGE, "test": GREEN}


def save(figure: Figure, path: Path) -> None:
    """Write a PNG and close the figure."""
    # The format is named because temporary files have no suffix; no Software tag, it would hold a version.
    figure.savefig(path, format="png", dpi=110, metadata={"Software": None})
    plt.close(figure)


def axes_of(width: float = 6.4, height: float = 3.6) -> tuple[Figure, Axes]:
    """A figure of one plot, in inches."""
    figure, axes = plt.subplots(figsize=(width, height), layout="constrained")
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def burden(splits: pd.DataFrame, index: pd.DataFrame, path: Path) -> None:
    """Tumour burden of every patient, by split. Both tables have a row a slice in the same order."""
    amounts = (
        index.assign(split=splits["split"].values).groupby(["split", "patient_id"])["label_pixels"].mean()
    )
    figure, axes = axes_of(height=2.6)
    for height, (name, colour) in enumerate(SPLIT_COLOURS.items()):
        here = amounts[name].to_numpy()
        axes.scatter(here, np.full(len(here), height), color=colour, s=36, alpha=0.75, edgecolors="white")
    axes.set_yticks(range(3), [f"{name} ({len(amounts[name])})" for name in SPLIT_COLOURS])
    axes.set_xlabel("burden of a patient: labelled pixels per slice")
    axes.set_ylim(2.6, -0.6)
    save(figure, path)


def augmentation(examples: list[list[tuple[np.ndarray, np.ndarray]]], path: Path) -> None:
    """A row a slice: as it is, then augmented. Items are (image (H, W, C), label map (H, W)), uint8."""
    rows, columns = max(len(examples), 1), max((len(example) for example in examples), default=1)
    figure, grid = plt.subplots(
        rows, columns, figsize=(1.6 * columns, 1.6 * rows + 0.3), layout="constrained", squeeze=False
    )
    for axes in grid.ravel():
        axes.axis("off")
    for line, example in zip(grid, examples, strict=False):
        for number, (axes, (image, mask)) in enumerate(zip(line, example, strict=True)):
            axes.imshow(picture.rgb(image))
            if mask.any():
                axes.contour(mask > 0, levels=[0.5], colors=[ORANGE], linewidths=1)
            axes.set_title("as stored" if number == 0 else "", fontsize=9)
    save(figure, path)
