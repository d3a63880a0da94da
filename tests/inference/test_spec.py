"""What a model says of itself is read whole or refused in a sentence."""

import json

import pytest

from stages.core.errors import UserError
from stages.inference import spec
from tests.fixtures import graphs

DAMAGED = "model.onnx holds a damaged description; export the model again"


def changed(**parts: object) -> str:
    """A sound description with other values; `part__key` reaches into a part."""
    told = json.loads(graphs.describe(regions=graphs.BRATS).text())
    for path, value in parts.items():
        *above, last = path.split("__")
        inner = told
        for name in above:
            inner = inner[name]
        inner[last] = value
    return json.dumps(told)


def test_what_was_written_is_read() -> None:
    described = graphs.describe(regions=graphs.BRATS, context=2, low_confidence_below=0.8)
    assert spec.parse(described.text(), "model.onnx") == described
    assert (
        described.text() == graphs.describe(regions=graphs.BRATS, context=2, low_confidence_below=0.8).text()
    )


def test_the_hash_of_files_beside_it_may_be_there() -> None:
    spec.parse(changed(files={"model.onnx": "0"}), "spec.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (changed(schema_version=3), "model.onnx has schema 3, this version reads 2; update brainseg"),
        (
            changed(schema_version=1),
            "model.onnx has schema 1, this version reads 2; run `dvc repro export`",
        ),
        ("{", DAMAGED),
        ("[]", DAMAGED),
        (changed(schema_version="two"), DAMAGED),
        (changed(input__channels=[]), DAMAGED),
        (changed(input__context=-1), DAMAGED),
        (changed(input__shape=["batch", 64, 64, 4]), DAMAGED),
        (changed(input__shape=["batch", 64, 32, 3]), DAMAGED),
        (changed(output__shape=["batch", 64, 64, 1]), DAMAGED),
        (changed(decision__threshold={"tumour": 0.5}), DAMAGED),
        (changed(decision__smallest_component_ml={}), DAMAGED),
        (changed(decision__tta="rotate"), DAMAGED),
        (changed(scaling__size=10**6), DAMAGED),
        (
            changed(scaling__tissue=0.4),
            "model.onnx wants scans scaled in another way than this version does; export it again",
        ),
        (
            changed(scaling__z_range=[-3.0, 3.0]),
            "model.onnx wants scans scaled in another way than this version does; export it again",
        ),
    ],
)
def test_what_cannot_be_used_is_refused(text: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        spec.parse(text, "model.onnx")
    assert str(error.value) == message
