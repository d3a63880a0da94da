"""What an exported model says of itself: how to prepare a scan for its graph, and how to read the answer.

The same JSON is in the ONNX file's metadata and in `spec.json` beside it, so that the file alone is enough.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stages.core.errors import UserError
from stages.framing import head, transform
from stages.masks.guarantee import Guarantees
from stages.masks.rule import Rule
from stages.population.population import Population
from stages.scan.windows import depth_of

KEY = "brainseg"
"""Name of the JSON among the metadata of an ONNX file."""
SCHEMA = 2


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False, protected_namespaces=())


class Input(_Part):
    """Slices as `framing.transform` makes them: uint8, 0 is background."""

    name: str
    shape: tuple[Literal["batch"], int, int, int] | tuple[Literal["batch"], int, int, int, int]
    # N, H, W, channels x (2 context + 1), lowest slice first; of volumes N, D, H, W, channels
    dtype: Literal["uint8"] = "uint8"
    channels: list[str] = Field(min_length=1)  # of one slice, in order; ["gray"] is the mean of a scan's
    modalities: list[str]  # of a training scan, in order; empty where the scans differed
    context: int = Field(ge=0, le=5)  # neighbouring slices on each side
    window: tuple[int, int, int] | None = None  # of volumes: slices, rows and columns that the graph takes
    through_mm: Annotated[float, Field(gt=0)] | None = None  # between these; null: as in the scan


class Output(_Part):
    """Probabilities, one channel a region. A region is a union of classes, which have a name by number.
    exclusive, noun: as in `scan.task.Task`; outline: what masks of the training set outline, "" where nothing
    tells.
    """

    name: str
    shape: tuple[Literal["batch"], int, int, int] | tuple[Literal["batch"], int, int, int, int]
    dtype: Literal["float32"] = "float32"
    regions: dict[str, list[int]] = Field(min_length=1)
    classes: dict[int, str]
    exclusive: bool = False
    noun: str = "tumour"
    outline: str = ""


class Scaling(_Part):
    """The constants of `framing.transform` and `framing.head`; another value would be another preparation."""

    size: int = Field(ge=32, le=1024)
    crop: Literal["brain", "none"]
    blocks: int = head.BLOCKS
    tissue: float = head.TISSUE
    z_range: tuple[float, float] = transform.Z_RANGE


@dataclass(frozen=True)
class ServedRule(Rule):
    """`low_confidence_below`: the mean probability within a mask that nine of ten validation patients exceed;
    None where too few of them were left with a mask.
    """

    low_confidence_below: float | None


class Spec(_Part):
    """All of it. `model_hash` is the SHA-256 of the weights, `data_hash` names slices, split and policy.

    `members`: of an ensemble of graphs with different inputs their files, which lie beside each other, and of
    how many networks each is the mean. population: the patients that the model knows; guarantees: what it
    promises; exports from before there were any have null.
    """

    schema_version: Literal[2] = 2
    model_hash: str
    data_hash: str
    input: Input
    output: Output
    scaling: Scaling
    decision: ServedRule
    members: dict[str, Annotated[int, Field(ge=1)]] = {}
    population: Population | None = None
    guarantees: Guarantees | None = None

    def text(self) -> str:
        """The JSON for the metadata; equal for equal models."""
        return self.model_dump_json()


def parse(content: str | bytes, where: str) -> Spec:
    """Read the JSON of a model. Raises `UserError`, which names `where` it was, for one of another schema, a
    damaged one, and one for scans that are prepared in another way than here.
    """
    try:
        spec = Spec.model_validate_json(content)
    except ValidationError as error:
        schema = next((e["input"] for e in error.errors() if e["loc"] == ("schema_version",)), None)
        if isinstance(schema, int) and schema > SCHEMA:
            raise UserError(
                f"{where} has schema {schema}, this version reads {SCHEMA}; update brainseg"
            ) from None
        if isinstance(schema, int) and schema < SCHEMA:
            raise UserError(
                f"{where} has schema {schema}, this version reads {SCHEMA}; run `dvc repro export`"
            ) from None
        raise UserError(f"{where} holds a damaged description; export the model again") from None
    if spec.scaling != Scaling(size=spec.scaling.size, crop=spec.scaling.crop):
        raise UserError(f"{where} wants scans scaled in another way than this version does; export it again")
    channels, regions = len(spec.input.channels) * depth_of(spec.input.context), set(spec.output.regions)
    sides = spec.input.window or (spec.scaling.size, spec.scaling.size)
    shapes = (*sides, channels), (*sides, len(regions))
    fits = (spec.input.shape[1:], spec.output.shape[1:]) == shapes
    promised = set(spec.guarantees.outer) if spec.guarantees else regions
    if not fits or regions != set(spec.decision.threshold) or regions != promised:
        raise UserError(f"{where} holds a damaged description; export the model again")
    return spec
