"""What an exported model will say of itself."""

from collections.abc import Iterable
from dataclasses import asdict, replace

import numpy as np

from stages.core import tables
from stages.exporting import known, onnx_export
from stages.inference import spec
from stages.inference.cases import Prediction
from stages.inference.spec import Spec
from stages.masks.guarantee import Guarantees
from stages.networks.modelfile import Model
from stages.scoring.decision import Decision
from stages.sources import sources
from stages.store.shards import Store

UNSURE = 10
"""Per cent of the validation cases that a scan must be surer than."""
ENOUGH = 5
"""Validation cases with a mask, to take a percentile of."""


def of(model: Model, chosen: Decision, store: Store, guarantees: Guarantees | None = None) -> Spec:
    """All that a client needs beside the graph, but how sure is usual (`with_doubt`)."""
    sides = model.window or (model.size, model.size)
    modalities = store.index.loc[~tables.joined(store.index), "modalities"].unique()
    rule = {name: value for name, value in asdict(chosen).items() if name != "val_dice"}
    return Spec(
        model_hash=model.weights_hash,
        data_hash=model.data_hash,
        input=spec.Input(
            name=onnx_export.INPUT,
            shape=("batch", *sides, len(model.mean)),
            channels=model.channels,
            modalities=modalities[0].split(";") if len(modalities) == 1 and modalities[0] else [],
            context=model.context,
            window=model.window,
            through_mm=model.through_mm,
        ),
        output=spec.Output(
            name=onnx_export.OUTPUT,
            shape=("batch", *sides, len(model.regions)),
            regions=model.regions,
            classes=store.meta.classes,
            exclusive=store.meta.exclusive,
            noun=store.meta.noun,
            outline=sources.outline(str(store.index["source"].iloc[0])),
        ),
        scaling=spec.Scaling.model_validate({"size": model.size, "crop": store.meta.crop}),
        decision=spec.ServedRule(**rule, low_confidence_below=None),
        guarantees=guarantees,
    )


def with_doubt(described: Spec, store: Store, validation: Iterable[Prediction]) -> Spec:
    """The same with the confidence that `UNSURE` per cent of the validation cases do not reach."""
    sure = []
    for case in validation:
        confidence = known.confidence(store, described.decision, case)
        if confidence is not None:
            sure.append(confidence)
    if len(sure) < ENOUGH:
        return described
    least = round(float(np.percentile(sure, UNSURE)), 4)
    return described.model_copy(update={"decision": replace(described.decision, low_confidence_below=least)})
