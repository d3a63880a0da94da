"""Pictures for the report: drawn without a display, equal bytes for equal numbers."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stages.reporting import picture

# Okabe and Ito's palette: told apart by readers with any kind of colour vision.
BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#666666"
SPLIT_COLOURS = {"train": BLUE, "val": ORANGE, "test": GREEN}


def _save(figure: Figure, path: Path) -> None:
    # The format is named because temporary files have no suffix; no Software tag, it would hold a version.
    figure.savefig(path, format="png", dpi=110, metadata={"Software": None})
    plt.close(figure)


def _axes(width: float = 6.4, height: float = 3.6) -> tuple[Figure, Axes]:
    figure, axes = plt.subplots(figsize=(width, height), layout="constrained")
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def burden(splits: pd.DataFrame, index: pd.DataFrame, path: Path) -> None:
    """Tumour burden of every patient, by split. Both tables have a row a slice in the same order."""
    amounts = (
        index.assign(split=splits["split"].values).groupby(["split", "patient_id"])["label_pixels"].mean()
    )
    figure, axes = _axes(height=2.6)
    for height, (name, colour) in enumerate(SPLIT_COLOURS.items()):
        here = amounts[name].to_numpy()
        axes.scatter(here, np.full(len(here), height), color=colour, s=36, alpha=0.75, edgecolors="white")
    axes.set_yticks(range(3), [f"{name} ({len(amounts[name])})" for name in SPLIT_COLOURS])
    axes.set_xlabel("tumour burden of a patient: labelled pixels per slice")
    axes.set_ylim(2.6, -0.6)
    _save(figure, path)


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
    _save(figure, path)


def training(history: pd.DataFrame, path: Path) -> None:
    """Losses and validation Dice by epoch; columns epoch, train_loss, val_loss, val_dice."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
    left.plot(history["epoch"], history["train_loss"], color=BLUE, marker=".", label="training")
    left.plot(history["epoch"], history["val_loss"], color=ORANGE, marker=".", label="validation")
    left.set(xlabel="epoch", ylabel="loss")
    left.legend(frameon=False)
    right.plot(history["epoch"], history["val_dice"], color=GREEN, marker=".")
    best = history["epoch"].to_numpy()[history["val_dice"].to_numpy().argmax()]
    right.axvline(best, color=GREY, linestyle=":", linewidth=1)
    right.set(xlabel="epoch", ylabel="validation volume Dice", ylim=(0, 1))
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    _save(figure, path)


def precision_recall(curve: pd.DataFrame, path: Path) -> None:
    """Precision against recall of test voxels; columns region, threshold, precision, recall."""
    figure, axes = _axes(4.4, 3.6)
    for (region, rows), colour in zip(
        curve.groupby("region", sort=False), (BLUE, ORANGE, GREEN, RED), strict=False
    ):
        axes.plot(rows["recall"], rows["precision"], color=colour, label=str(region))
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    axes.legend(frameon=False)
    _save(figure, path)


def per_case(table: pd.DataFrame, path: Path) -> None:
    """Dice of every test case against its tumour volume; columns dice, truth_ml."""
    figure, axes = _axes(4.4, 3.6)
    axes.scatter(table["truth_ml"], table["dice"], color=BLUE, s=30, alpha=0.8, edgecolors="white")
    axes.set(xlabel="tumour volume (ml)", ylabel="volume Dice", ylim=(0, 1.02))
    if (table["truth_ml"] > 0).all():
        axes.set_xscale("log")
    _save(figure, path)
