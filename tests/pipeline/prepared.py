"""Scans of any source, prepared by the stages up to split."""

from typing import Any

from stages import ingest, preprocess, split, validate
from stages.project import params
from stages.project.paths import Paths
from tests.pipeline.import_graph import ROOT

SIDE = 64


def prepared(paths: Paths, size: int = SIDE, **chosen: Any) -> params.Params:
    """Run the stages up to split; the params of the others, for seconds of training."""
    shipped = params.read(ROOT / "params.yaml")
    ingest.run(shipped.ingest.model_copy(update={"limit": None} | chosen), paths)
    validate.run(shipped.validate_.model_copy(update={"near_duplicate_bits": 0}), paths)
    preprocess.run(shipped.preprocess.model_copy(update={"size": size}), paths)
    split.run(shipped.split, paths)
    tiny = {"epochs": 1, "depth": 3}
    return shipped.model_copy(update={"train": shipped.train.model_copy(update=tiny)})
