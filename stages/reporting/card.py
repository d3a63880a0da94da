"""The model card, filled from the run."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from stages.learning.modelfile import Model
from stages.scoring.decision import Decision
from stages.slices.store import Meta


def render(
    model: Model, chosen: Decision, meta: Meta, evaluated: dict[str, Any], exported: dict[str, Any]
) -> str:
    """Markdown of the card. evaluated, exported: the metrics of the stages of that name."""
    jinja = Environment(
        loader=PackageLoader("stages.reporting"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    cropped = sum(case.label_pixels_outside_crop for case in meta.cases.values())
    return jinja.get_template("model_card.md.j2").render(
        model=model, chosen=chosen, meta=meta, evaluated=evaluated, exported=exported, cropped=cropped
    )
