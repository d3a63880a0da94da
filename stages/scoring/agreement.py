"""Agreement of predicted and true volumes."""

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Agreement:
    """Mean difference predicted - true in ml, and the limits between which 95 % of differences are."""

    bias_ml: float
    low_ml: float
    high_ml: float


def of_volumes(table: pd.DataFrame) -> Agreement:
    """Limits of agreement, bias -+ 1.96 standard deviations (Bland and Altman 1986, The Lancet 327).

    table: columns truth_ml, predicted_ml, one row a case. With one case there is no spread: the limits are
    the bias.
    """
    apart = table["predicted_ml"] - table["truth_ml"]
    bias = float(apart.mean())
    spread = 1.96 * float(apart.std(ddof=1)) if len(apart) > 1 else 0.0
    return Agreement(bias, bias - spread, bias + spread)
