"""Where every artefact lives, relative to the project's root. No other module spells a path below these
folders.
"""

import os
from pathlib import Path

PARAMS = Path("params.yaml")
LOCK = Path("dvc.lock")

RAW = Path("data/raw")
MANIFEST = Path("data/manifest.csv")
VALIDATED = Path("data/validated.csv")
SLICES = Path("data/slices")
INDEX = SLICES / "index.csv"
SPLITS = Path("data/splits.csv")
AUGMENT = Path("data/augment")
POLICY = AUGMENT / "policy.json"
COPIES = AUGMENT / "copies"

WEIGHTS = Path("models/model.safetensors")
MODEL = Path("models/model.json")
DECISION = Path("models/decision.json")
EXPORT = Path("models/export")
ONNX = EXPORT / "model.onnx"
ONNX_INT8 = EXPORT / "model.int8.onnx"
SPEC = EXPORT / "spec.json"
CARD = EXPORT / "model_card.md"

VALIDATE_METRICS = Path("reports/validate/metrics.json")
FINDINGS = Path("reports/validate/findings.csv")
DATA_DOCS = Path("reports/validate/data_docs")
EXAMPLES = Path("reports/validate/examples")
SPLIT_METRICS = Path("reports/split/metrics.json")
SPLIT_FIGURE = Path("reports/split/burden.png")
AUGMENT_METRICS = Path("reports/augment/metrics.json")
AUGMENT_PREVIEW = Path("reports/augment/preview.png")
TRAIN_METRICS = Path("reports/train/metrics.json")
HISTORY = Path("reports/train/history.csv")
EVALUATE_METRICS = Path("reports/evaluate/metrics.json")
PER_CASE = Path("reports/evaluate/per_case.csv")
CURVES = Path("reports/evaluate/curves")
FRAMES = CURVES / "frames.csv"
OVERLAYS = Path("reports/evaluate/overlays")
SUSPECTS = Path("reports/evaluate/suspects.csv")
EXPORT_METRICS = Path("reports/export/metrics.json")
REPORT = Path("reports/index.html")

ENSEMBLE = Path("models/ensemble")
TUNE = Path(".scratch/tune/optuna.db")
ENSEMBLE_REPORT = Path("reports/ensemble")

SCRATCH = Path(".scratch/train")
"""Checkpoints of a training that has not finished; git-ignored, not an artefact."""


def project_root() -> Path:
    """The folder the user works in: DVC's original repository also when an experiment runs in a copy
    elsewhere.
    """
    return Path(os.environ.get("DVC_ROOT") or Path.cwd())
