"""How a measure is spread over a model's patients, and over scans that come to it."""

from pathlib import Path

import numpy as np
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

from stages.figures.figures import GREY, ORANGE, axes_of, save
from stages.population.catalogue import Measure

BINS = 24


def draw(patients: np.ndarray, scans: np.ndarray, measure: Measure, path: Path) -> None:
    """Shares of the patients as bars and of the scans as an outline, each scan as a line below; values (n,)
    without NaN. The axis is logarithmic where the measure is compared by ratio and the values go far.
    """
    both = np.concatenate([patients, scans])
    logged = measure.log and bool((both > 0).all()) and both.max() > 2 * both.min()
    scaled = np.log(both) if logged else both
    low, high = float(scaled.min()), float(scaled.max())
    edge = 0.02 * (high - low) or max(0.05 * abs(high), 0.5)
    bins = np.linspace(low - edge, high + edge, BINS + 1)
    bins = np.exp(bins) if logged else bins
    figure, axes = axes_of(5.2, 2.6)
    shares = [np.full(len(values), 1 / len(values)) for values in (patients, scans)]
    edges = list(bins)
    axes.hist(patients, edges, weights=shares[0], label=f"training ({len(patients)})", color=GREY, alpha=0.45)
    axes.hist(
        scans,
        edges,
        weights=shares[1],
        label=f"these scans ({len(scans)})",
        color=ORANGE,
        histtype="step",
        linewidth=2,
    )
    axes.plot(scans, np.full(len(scans), -0.03), "|", color=ORANGE, markersize=9)
    if logged:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.xaxis.set_minor_formatter(NullFormatter())
    unit = measure.unit and f",{measure.unit}"
    axes.set(xlabel=measure.title + unit, ylabel="share")
    axes.set_ylim(bottom=-0.07)
    axes.legend(frameon=False, fontsize=8)
    save(figure, path)
