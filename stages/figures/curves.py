"""Curves of training and of the test cases, as CSV for `dvc plots` and as PNG for the report."""

from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

from stages.core import tables
from stages.figures.figures import BLUE, GREEN, GREY, ORANGE, RED, axes_of, save
from stages.scoring import agreement, conformal, histograms
from stages.scoring.scores import Scores

COLOURS = (BLUE, ORANGE, GREEN, RED)
MARKERS = ("o", "s", "^", "D")  # a second sign beside colour


def write(scores: Scores, regions: list[str], folder: Path) -> None:
    """Every curve of test cases into a folder. Failures are of `regions[0]`."""
    precision = _by_region(scores, histograms.precision_recall)
    calibration = _by_region(scores, histograms.reliability)
    tables.write(precision, folder / "precision_recall.csv")
    tables.write(calibration, folder / "calibration.csv")
    risk = conformal.risk_coverage(conformal.scans([scores.per_case]))
    tables.write(risk, folder / "risk_coverage.csv")
    precision_recall(precision, folder / "precision_recall.png")
    reliability(calibration, folder / "calibration.png")
    risk_coverage(risk, folder / "risk_coverage.png")
    volumes(scores.per_case, folder / "volumes.png")
    failures(scores.per_case[scores.per_case["region"] == regions[0]], folder / "failures.png")


def _by_region(scores: Scores, curve: Callable[[np.ndarray], pd.DataFrame]) -> pd.DataFrame:
    parts = [curve(counts).assign(region=region) for region, counts in scores.histograms.items()]
    return pd.concat(parts, ignore_index=True)


def training(history: pd.DataFrame, path: Path) -> None:
    """Losses and validation Dice by epoch; columns epoch, train_loss, val_loss, val_dice."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
    epochs = history["epoch"] + 1
    left.plot(epochs, history["train_loss"], color=BLUE, marker="o", markersize=3, label="training")
    left.plot(epochs, history["val_loss"], color=ORANGE, marker="s", markersize=3, label="validation")
    left.set(xlabel="epoch", ylabel="loss")
    left.legend(frameon=False)
    right.plot(epochs, history["val_dice"], color=GREEN, marker="o", markersize=3)
    best = epochs.to_numpy()[history["val_dice"].to_numpy().argmax()]
    right.axvline(best, color=GREY, linestyle=":", linewidth=1)
    right.set(xlabel="epoch", ylabel="validation volume Dice", ylim=(0, 1))
    for axes in (left, right):
        _plain(axes)
        axes.xaxis.get_major_locator().set_params(integer=True)
    save(figure, path)


def precision_recall(curve: pd.DataFrame, path: Path) -> None:
    """Precision against recall of test voxels; columns region, threshold, precision, recall."""
    figure, axes = axes_of(4.4, 3.6)
    for rows, look in _looks(curve):
        axes.plot(rows["recall"], rows["precision"], **look)
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    axes.legend(frameon=False)
    save(figure, path)


def reliability(curve: pd.DataFrame, path: Path) -> None:
    """Share of tumour among voxels of a probability; columns region, confidence, observed."""
    figure, axes = axes_of(4.4, 3.6)
    axes.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1)
    for rows, look in _looks(curve):
        axes.plot(rows["confidence"], rows["observed"], **look)
    axes.set(xlabel="probability", ylabel="share in the truth", xlim=(0, 1), ylim=(0, 1.02))
    axes.legend(frameon=False)
    save(figure, path)


def risk_coverage(curve: pd.DataFrame, path: Path) -> None:
    """Mean error of the surest scans against their share; columns kept, risk."""
    figure, axes = axes_of(4.4, 3.6)
    axes.axhline(curve["risk"].iloc[-1], color=GREY, linestyle=":", linewidth=1)
    axes.plot(curve["kept"], curve["risk"], color=BLUE, marker="o", markersize=3.5)
    top = max(0.1, 1.1 * curve["risk"].max())
    axes.set(xlabel="share of scans, the surest first", ylabel="mean 1 - Dice", xlim=(0, 1.02), ylim=(0, top))
    save(figure, path)


def volumes(table: pd.DataFrame, path: Path) -> None:
    """Difference of predicted and true volume against their mean (Bland and Altman 1986), a dot a case.

    Columns region, truth_ml, predicted_ml. With several regions the limits are of all together.
    """
    figure, axes = axes_of(4.4, 3.6)
    limits = agreement.of_volumes(table)
    for height, style in ((limits.bias_ml, "-"), (limits.low_ml, "--"), (limits.high_ml, "--")):
        axes.axhline(height, color=GREY, linestyle=style, linewidth=1)
    for rows, look in _looks(table):
        middle, apart = (rows["truth_ml"] + rows["predicted_ml"]) / 2, rows["predicted_ml"] - rows["truth_ml"]
        axes.plot(middle, apart, **look | {"linestyle": "", "markersize": 5, "alpha": 0.8})
    axes.set(xlabel="mean of predicted and true volume (ml)", ylabel="predicted - true (ml)")
    if table["region"].nunique() > 1:
        axes.legend(frameon=False)
    save(figure, path)


def failures(table: pd.DataFrame, path: Path) -> None:
    """Dice of each case against tumour volume, contrast and site; columns dice, truth_ml, contrast, site."""
    figure, (size, contrast, site) = plt.subplots(1, 3, figsize=(9.6, 3.2), sharey=True, layout="constrained")
    dots = {"color": BLUE, "s": 28, "alpha": 0.8, "edgecolors": "white"}
    size.scatter(table["truth_ml"], table["dice"], **dots)
    size.set(xlabel="true volume (ml)", ylabel="volume Dice", ylim=(-0.02, 1.02))
    if (table["truth_ml"] > 0).all():
        size.set_xscale("log")
        size.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        size.xaxis.set_major_formatter(ScalarFormatter())
        size.xaxis.set_minor_formatter(NullFormatter())
    contrast.scatter(table["contrast"], table["dice"], **dots)
    contrast.set(xlabel="contrast (sd of the head)")
    names = sorted(table["site"].unique())
    site.scatter([names.index(name) for name in table["site"]], table["dice"], **dots)
    site.set_xticks(
        range(len(names)), [name or "unknown" for name in names], rotation=90 if len(names) > 6 else 0
    )
    site.set(xlabel="site", xlim=(-0.6, len(names) - 0.4))
    for axes in (size, contrast, site):
        _plain(axes)
    save(figure, path)


def _looks(table: pd.DataFrame) -> list[tuple[pd.DataFrame, dict]]:
    """The rows of each region and how to draw them."""
    signs = [(COLOURS[n % len(COLOURS)], MARKERS[n % len(MARKERS)]) for n in range(table["region"].nunique())]
    return [
        (rows, {"color": colour, "marker": marker, "markersize": 3.5, "label": str(region).replace("_", " ")})
        for (region, rows), (colour, marker) in zip(table.groupby("region", sort=False), signs, strict=True)
    ]


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
