"""Where every artefact lives. No other module spells a path below data/, models/ or reports/."""

import os
from pathlib import Path


class Paths:
    """Every artefact below `root`, the folder that holds dvc.yaml; relative to the working folder by default.

    A stage is called with these, so that a notebook, a test or a worker elsewhere need not change folder.
    """

    def __init__(self, root: Path = Path()) -> None:
        self.root = root
        self.params = root / "params.yaml"
        self.lock = root / "dvc.lock"

        data = root / "data"
        self.location = data / "location.json"
        self.raw = data / "raw"
        self.manifest = data / "manifest.csv"
        self.validated = data / "validated.csv"
        self.fingerprints = data / "fingerprints.npy"
        self.slices = data / "slices"
        self.index = self.slices / "index.csv"
        self.splits = data / "splits.csv"
        self.augment = data / "augment"
        self.policy = self.augment / "policy.json"
        self.copies = self.augment / "copies"

        models = root / "models"
        self.weights = models / "model.safetensors"
        self.model = models / "model.json"
        self.learnt = models / "seen.npy"
        self.decision = models / "decision.json"
        self.guarantees = models / "guarantees.json"
        self.export = models / "export"
        self.onnx = self.export / "model.onnx"
        self.onnx_int8 = self.export / "model.int8.onnx"
        self.spec = self.export / "spec.json"
        self.card = self.export / "model_card.md"
        self.seen = self.export / "seen.npy"
        self.ensemble = models / "ensemble"

        self.reports = root / "reports"
        self.validate_metrics = self.reports / "validate/metrics.json"
        self.findings = self.reports / "validate/findings.csv"
        self.data_docs = self.reports / "validate/data_docs"
        self.examples = self.reports / "validate/examples"
        self.split_metrics = self.reports / "split/metrics.json"
        self.split_figure = self.reports / "split/burden.png"
        self.augment_metrics = self.reports / "augment/metrics.json"
        self.augment_preview = self.reports / "augment/preview.png"
        self.train_metrics = self.reports / "train/metrics.json"
        self.history = self.reports / "train/history.csv"
        self.evaluate_metrics = self.reports / "evaluate/metrics.json"
        self.per_case = self.reports / "evaluate/per_case.csv"
        self.curves = self.reports / "evaluate/curves"
        self.frames = self.curves / "frames.csv"
        self.overlays = self.reports / "evaluate/overlays"
        self.suspects = self.reports / "evaluate/suspects.csv"
        self.export_metrics = self.reports / "export/metrics.json"
        self.report = self.reports / "index.html"
        self.tried = self.reports / "tried.csv"
        self.sites = self.reports / "sites.csv"
        self.ensemble_report = self.reports / "ensemble"

        self.tune = root / ".scratch/tune/optuna.db"

    @property
    def project(self) -> Path:
        """The folder the user works in: DVC's original repository also when an experiment runs in a copy
        elsewhere. Paths in params.yaml start here.
        """
        return Path(os.environ.get("DVC_ROOT") or self.root.resolve())

    @property
    def checkpoints(self) -> Path:
        """Checkpoints of trainings that have not finished; git-ignored, no artefact."""
        return self.project / ".scratch/train"

    @property
    def located(self) -> Path:
        """Hashes of what lies at `ingest.location`; git-ignored, no artefact (`sources.inventory`)."""
        return self.project / ".scratch/locate"

    @property
    def kept(self) -> Path:
        """Results of single cases by what they follow from; git-ignored, no artefact (`core.kept`)."""
        return self.project / ".scratch/kept"

    def metrics(self) -> dict[str, Path]:
        """The metrics file of each stage that writes one, by the stage's name."""
        return {
            name.removesuffix("_metrics"): path
            for name, path in vars(self).items()
            if name.endswith("_metrics")
        }


class ScorePaths:
    """What `brainseg score` writes into a folder: results under the names that evaluate gives them."""

    def __init__(self, folder: Path) -> None:
        self.metrics = folder / "metrics.json"
        self.per_case = folder / "per_case.csv"
        self.findings = folder / "findings.csv"
        self.suspects = folder / "suspects.csv"
        self.curves = folder / "curves"
        self.frames = self.curves / "frames.csv"
        self.overlays = folder / "overlays"
        self.page = folder / "index.html"


HERE = Paths()
"""Of the project in the working folder, for commands that a person runs there."""
