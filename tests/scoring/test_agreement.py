"""Limits of agreement of volumes."""

import numpy as np
import pandas as pd
import pytest

from stages.scoring import agreement


def test_bias_and_limits_of_many_normal_differences() -> None:
    random = np.random.default_rng(0)
    truth = random.uniform(5, 50, 4000)
    table = pd.DataFrame({"truth_ml": truth, "predicted_ml": truth + random.normal(2, 3, 4000)})
    found = agreement.of_volumes(table)
    assert found.bias_ml == pytest.approx(2, abs=0.2)
    apart = table["predicted_ml"] - table["truth_ml"]
    assert ((apart > found.low_ml) & (apart < found.high_ml)).mean() == pytest.approx(0.95, abs=0.01)


def test_by_hand_and_of_one_case() -> None:
    table = pd.DataFrame({"truth_ml": [10.0, 20.0], "predicted_ml": [11.0, 18.0]})
    found = agreement.of_volumes(table)
    half = 1.96 * np.sqrt(4.5)  # differences 1 and -2: standard deviation with n - 1
    assert (found.bias_ml, found.low_ml, found.high_ml) == pytest.approx((-0.5, -0.5 - half, -0.5 + half))
    assert agreement.of_volumes(table.head(1)) == agreement.Agreement(1, 1, 1)
