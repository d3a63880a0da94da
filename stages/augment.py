"""Write the augmentation policy as data, with a picture of what it does and, if wanted, augmented copies.

python -m stages.augment         # what `dvc repro augment` runs; about 4 s
"""

import numpy as np
import typer

from stages import atomic, errors, layout, params
from stages.reporting import figures
from stages.slices import augmentation, copies, dataset, store

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
SHOWN, VARIANTS = 4, 5  # slices in the preview, and augmented versions of each


@app.command()
def main() -> None:
    """Write the augmentation policy and a preview of it."""
    wanted = params.load(params.Augment)
    slices = store.open_store(layout.SLICES)
    rows = dataset.rows_of(slices, layout.SPLITS, "train")
    policy = augmentation.build(wanted.policy)
    with atomic.directory(layout.AUGMENT) as folder:
        augmentation.save(policy, folder / layout.POLICY.name)
        if wanted.copies:
            copied = folder / layout.COPIES.name
            copied.mkdir()
            copies.write(slices, rows, policy, wanted.copies, copied)
        policy = augmentation.load(folder / layout.POLICY.name)

    labelled = rows[slices.index["label_pixels"].to_numpy()[rows] > 0]
    shown = labelled[np.linspace(0, len(labelled) - 1, min(SHOWN, len(labelled))).astype(int)]
    examples = [
        [(image, mask)] + [augmentation.apply(policy, image, mask, (0, 0, n)) for n in range(VARIANTS)]
        for image, mask in zip(slices.images(shown), slices.masks(shown), strict=True)
    ]
    with atomic.file(layout.AUGMENT_PREVIEW) as part:
        figures.augmentation(examples, part)
    values = set(np.unique([mask for example in examples for _, mask in example]).tolist())
    before = sum(int((example[0][1] > 0).sum()) for example in examples)
    after = sum(int((mask > 0).sum()) for example in examples for _, mask in example[1:])
    atomic.metrics(
        {
            "policy": wanted.policy,
            "transforms": len(policy.transforms),
            "copies": wanted.copies,
            "labels_intact": values <= {0, *slices.meta.classes},
            "label_area_ratio": after / (VARIANTS * before) if before else 1.0,
        },
        layout.AUGMENT_METRICS,
    )


if __name__ == "__main__":
    errors.run(app)
