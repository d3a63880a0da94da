"""The rooms of the code, each above those that it may import, and all of its files."""

from tests.pipeline.import_graph import ROOT

SOURCES = sorted(path.relative_to(ROOT) for path in (ROOT / "stages").rglob("*.py"))
ROOMS = (
    "core",
    "scan",
    "formats",
    "framing",
    "masks",
    "fingerprints",
    "population",
    "sources",
    "checks",
    "splits",
    "store",
    "augmentation",
    "preprocessing",
    "networks",
    "training",
    "inference",
    "scoring",
    "figures",
    "exporting",
    "trials",
    "predicting",
    "reporting",
    "project",
    "experiments",
    "comparison",
    "environment",
    "registry",
    "serving",
    "commands",
)
"""The folders of stages/: each may import from those before it, so that arrows point one way."""
