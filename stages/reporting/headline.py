"""The one line a person wants first."""

from typing import Any


def sentence(evaluated: dict[str, Any]) -> str:
    """Test Dice with its interval, from the metrics of evaluate."""
    test = evaluated["test"]
    told = (
        f"test Dice {test['dice']:.3f} "
        f"(95 % interval {test['dice_ci_low']:.3f} to {test['dice_ci_high']:.3f}, "
        f"{test['patients']} patients)"
    )
    return f"LEAKY {told}: patients of the test set were trained on" if evaluated["leaky"] else told
