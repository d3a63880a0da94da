"""A scan to look at for who has none at hand: of a patient that the sample does not hold."""

from pathlib import Path

from stages.inference.spec import Input

SEQUENCES = ["pre", "flair", "post"]
"""Of the sample, whose own module takes a second to load."""
_SEED, _PATIENT = 0, 1000
"""Of the sample's anatomy, and a number that no sample reaches, so that no patient of it has the name."""


def suits(model_input: Input) -> bool:
    """Whether a model takes the sequences that the sample has."""
    return model_input.modalities == SEQUENCES


def write(folder: Path) -> None:
    """Write a case without its masks into a folder of its own."""
    from stages.sources import sample  # SciPy and OpenCV: only where scans are drawn

    sample.write_case(folder, _SEED, _PATIENT)
    for mask in folder.glob("*/*_mask.tif"):
        mask.unlink()
