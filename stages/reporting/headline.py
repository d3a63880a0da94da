"""The one line a person wants first."""

from typing import Any

from stages.scoring import absence


def sentence(evaluated: dict[str, Any]) -> str:
    """Test Dice with its interval, from the metrics of evaluate, and what must be known to read it."""
    test = evaluated["test"]
    sentence = (
        f"test Dice {test['dice']:.3f} "
        f"(95 % interval {test['dice_ci_low']:.3f} to {test['dice_ci_high']:.3f}, "
        f"{test['patients']} patients)"
    )
    nothing_to_find = absence.sentence(test)
    if evaluated["leaky"]:
        sentence = f"LEAKY {sentence}: patients of the test set were trained on"
        return f"{sentence}; {nothing_to_find}" if nothing_to_find else sentence
    if absence.everybody(test):
        sentence = f"NOTHING TO FIND {sentence}: {nothing_to_find}"
    elif nothing_to_find:
        sentence += f"; {nothing_to_find}"
    if evaluated["box_labels"]:
        sentence += "; the labels are boxes, so this is agreement with boxes and not with outlines"
    if not evaluated["patients_known"]:
        sentence += "; the set does not tell its patients, pictures that look alike count as one"
    return sentence
