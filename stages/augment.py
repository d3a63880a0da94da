"""Write the augmentation policy as data, with a picture of what it does and, if asked for, augmented copies.

python -m stages.augment         # what `dvc repro augment` runs; about 4 s
"""

from typing import Any

import albumentations as A
import numpy as np
import typer

from stages.augmentation import copies, policies
from stages.core import atomic, errors
from stages.figures import figures
from stages.project.params import Augment, load
from stages.project.paths import Paths
from stages.store import dataset, shards

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
EXAMPLES, VARIANTS = 4, 5  # slices in the preview, and augmented versions of each


@app.command()
def main() -> None:
    """Write the augmentation policy and a preview of it."""
    run(load(Augment), Paths())


def run(params: Augment, paths: Paths) -> dict[str, Any]:
    """Write data/augment/ and the preview; returns the metrics."""
    slices = shards.open_store(paths.slices)
    rows = dataset.rows_of(slices, paths.splits, "train")
    policy = policies.build(params.policy, slices.meta.channels)
    with atomic.directory(paths.augment) as folder:
        policies.save(policy, folder / paths.policy.name)
        if params.copies:
            copied = folder / paths.copies.name
            copied.mkdir()
            copies.write(slices, rows, policy, params.copies, copied)
        policy = policies.load(folder / paths.policy.name)

    labelled = rows[slices.index["label_pixels"].to_numpy()[rows] > 0]
    chosen = labelled[np.linspace(0, len(labelled) - 1, min(EXAMPLES, len(labelled))).astype(int)]
    examples = [
        [(image, mask)] + [augmented(policy, image, mask, n) for n in range(VARIANTS)]
        for image, mask in zip(slices.images(chosen), slices.masks(chosen), strict=True)
    ]
    with atomic.file(paths.augment_preview) as part:
        figures.augmentation(examples, part)
    values = set(np.unique([mask for example in examples for _, mask in example]).tolist())
    before = sum(int((example[0][1] > 0).sum()) for example in examples)
    after = sum(int((mask > 0).sum()) for example in examples for _, mask in example[1:])
    metrics = {
        "policy": params.policy,
        "transforms": len(policy.transforms),
        "copies": params.copies,
        "labels_intact": values <= {0, *slices.meta.classes},
        "label_area_ratio": after / (VARIANTS * before) if before else 1.0,
    }
    atomic.metrics(metrics, paths.augment_metrics)
    return metrics


def augmented(
    policy: A.Compose, image: np.ndarray, mask: np.ndarray, number: int
) -> tuple[np.ndarray, np.ndarray]:
    """A slice (H, W, C) and its label map (H, W) as the policy changes them, by the number of the variant."""
    window, mask = policies.apply(policy, image[None], mask, (0, 0, number))
    return window[0], mask


if __name__ == "__main__":
    errors.run(app)
