"""What an exported model says of the cases of a store, in the channels that are compared."""

from collections.abc import Iterator

import numpy as np

from stages.inference import cases
from stages.inference.cases import Prediction
from stages.inference.onnx_predictor import Exported
from stages.store.shards import Store
from stages.trials.regions import Regions


def of(model: Exported, store: Store, rows: np.ndarray, regions: Regions) -> Iterator[Prediction]:
    """The cases that `rows` of a store belong to, with the flips of the model's rule; of an ensemble the mean
    of its networks, as `predicting.segmenting` takes it. Probabilities (S, R, H, W) of the compared regions.
    """
    parts = (model, *model.others)
    networks = sum(part.networks for part in parts)
    streams = [cases.of(part.predictor, store, rows, model.spec.decision.tta) for part in parts]
    for answers in zip(*streams, strict=True):
        shares = [
            answer.probabilities * np.float32(part.networks / networks)
            for answer, part in zip(answers, parts, strict=True)
        ]
        mean = sum(shares[1:], shares[0])
        yield answers[0]._replace(probabilities=regions.probabilities(mean))
