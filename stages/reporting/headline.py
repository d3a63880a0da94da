"""The one line a person wants first."""

from typing import Any


def sentence(evaluated: dict[str, Any]) -> str:
    """Test Dice with its interval, from the metrics of evaluate, and what must be known to read it."""
    test = evaluated["test"]
    sentence = (
        f"test Dice {test['dice']:.3f} "
        f"(95 % interval {test['dice_ci_low']:.3f} to {test['dice_ci_high']:.3f}, "
        f"{test['patients']} patients)"
    )
    if evaluated["leaky"]:
        return f"LEAKY {sentence}: patients of the test set were trained on"
    if evaluated["box_labels"]:
        sentence += "; the labels are boxes, so this is agreement with boxes and not with outlines"
    if not evaluated["patients_known"]:
        sentence += "; the set does not tell its patients, pictures that look alike count as one"
    return sentence
