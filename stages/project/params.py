"""Typed view of params.yaml, and the only reader of it.

Unknown keys and wrong types are `UserError`s that name the key. Values have no defaults here: params.yaml is
the one place where a default is written down.
"""

import difflib
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stages.core.errors import UserError
from stages.project.paths import HERE

Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Millimetres = Annotated[float, Field(gt=0, le=100)]


class Section(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, protected_namespaces=()
    )


class Ingest(Section):
    source: Literal["sample", "lgg", "coco", "pairs", "brats", "nnunet", "nifti", "corrections"]
    location: str | None
    labels: str | dict[str, int | list[int]] | None
    channels: list[str] | None
    unannotated: Literal["drop", "negative"]
    categories: list[str | int] | None
    also: str | None
    limit: Count | None
    seed: Seed


class Validate(Section):
    on_error: Literal["quarantine", "fail"]
    max_quarantined: Fraction
    near_duplicate_bits: Annotated[int, Field(ge=0, le=576)]  # of a picture's hash


class Preprocess(Section):
    size: Annotated[int, Field(ge=32, le=1024, multiple_of=32)]
    channels: Literal["all", "gray"] | list[str]
    crop: Literal["brain", "none"]
    jobs: Count


class Ratios(Section):
    train: Annotated[float, Field(gt=0, lt=1)]
    val: Annotated[float, Field(gt=0, lt=1)]
    test: Annotated[float, Field(gt=0, lt=1)]

    @model_validator(mode="after")
    def _sum_to_one(self) -> "Ratios":
        if abs(self.train + self.val + self.test - 1) > 1e-6:
            raise ValueError(f"train, val and test must sum to 1, not {self.train + self.val + self.test:g}")
        return self


class Split(Section):
    seed: Seed
    ratios: Ratios
    folds: Annotated[int, Field(ge=3)] | None
    fold: Annotated[int, Field(ge=0)]
    strategy: Literal["patient", "site", "source", "slice"]

    @model_validator(mode="after")
    def _fold_exists(self) -> "Split":
        if self.folds is not None and self.fold >= self.folds:
            raise ValueError(f"fold {self.fold} does not exist among {self.folds} folds, counted from 0")
        return self


class Augment(Section):
    policy: Literal["none", "light", "default", "strong"]
    copies: Annotated[int, Field(ge=0, le=20)]


VOLUMETRIC = ("dynunet", "segresnet", "basicunet", "unetr")
"""Names of `train.arch` where `train.dims` is 3."""


class Train(Section):
    dims: Literal[2, 3]
    window: Annotated[list[Count], Field(min_length=3, max_length=3)] | None
    spacing: Annotated[list[Millimetres], Field(min_length=3, max_length=3)] | None
    through_plane: Literal["own", "planned"]
    foreground: Fraction
    arch: str
    encoder: str
    encoder_weights: str | None
    depth: Annotated[int, Field(ge=3, le=5)]
    decoder_width: Annotated[float, Field(gt=0, le=1)]
    initial: str | None
    initial_layers: Literal["all", "encoder"]
    dropout: Annotated[float, Field(ge=0, lt=1)]
    context: Annotated[int, Field(ge=0, le=5)]
    loss: Literal["dice_bce", "dice", "bce", "focal", "tversky", "focal_tversky", "combo", "lovasz"]
    optimizer: Literal["adamw", "adam", "sgd"]
    lr: Annotated[float, Field(gt=0)]
    weight_decay: Annotated[float, Field(ge=0)]
    schedule: Literal["constant", "onecycle", "cosine", "plateau"]
    epochs: Count
    batch_size: Count
    accumulate: Count
    clip: Annotated[float, Field(ge=0)]
    patience: Count | None
    keep: Literal["best", "last"]
    ema: Annotated[float, Field(ge=0, lt=1)]
    precision: Literal["auto", "fp32", "bf16"]
    sampling: Literal["all", "balanced"]
    devices: Literal["auto"] | Count
    nodes: Count
    workers: Annotated[int, Field(ge=0)]
    compile: bool
    seed: Seed

    @model_validator(mode="after")
    def _plateau_has_a_length(self) -> "Train":
        if self.schedule == "plateau" and self.patience is None:
            raise ValueError("schedule plateau needs patience, a number of epochs")
        return self

    @model_validator(mode="after")
    def _dims_agree(self) -> "Train":
        if self.dims == 2:
            if self.window is not None:
                raise ValueError("window is for dims 3; set it to null for slices")
            if self.arch in VOLUMETRIC:
                raise ValueError(f"arch {self.arch} is for dims 3")
            return self
        if self.window is None:
            raise ValueError("dims 3 needs window, e.g. [16, 128, 128]: slices, rows and columns")
        if self.arch not in VOLUMETRIC:
            raise ValueError(f"arch {self.arch} is for dims 2; choose {', '.join(VOLUMETRIC)}")
        for name, plain in (("encoder_weights", None), ("context", 0)):
            if getattr(self, name) != plain:
                raise ValueError(f"{name} is for dims 2; set it to {'null' if plain is None else plain}")
        return self

    @model_validator(mode="after")
    def _last_is_the_end(self) -> "Train":
        if self.keep == "last" and self.patience is not None:
            raise ValueError("keep last needs patience null: an early stop makes the last epoch a poor one")
        return self


class Evaluate(Section):
    threshold: Literal["auto"] | Annotated[float, Field(gt=0, lt=1)]
    tta: Literal["auto", "none", "flip"]
    postprocess: Literal["auto", "none"] | Annotated[float, Field(ge=0)]
    bootstrap: Annotated[int, Field(ge=100)]
    surface_tolerance_mm: Annotated[float, Field(gt=0)]


class Export(Section):
    int8: bool
    opset: Annotated[int, Field(ge=18, le=23)]
    max_dice_drop: Fraction


class Params(Section):
    ingest: Ingest
    validate_: Annotated[Validate, Field(alias="validate")]
    preprocess: Preprocess
    split: Split
    augment: Augment
    train: Train
    evaluate: Evaluate
    export: Export


S = TypeVar("S", bound=Section)


def load(section: type[S], path: Path = HERE.params) -> S:
    """Read the section of params.yaml that belongs to a stage, e.g. `load(Split)`.

    The whole file is checked, so that a slip in a late section is reported before hours of early stages.
    Raises `UserError` naming the key.
    """
    everything = read(path)
    return next(value for value in dict(everything).values() if isinstance(value, section))


def read(path: Path = HERE.params) -> Params:
    """Read and check all of params.yaml; raises `UserError` naming the key."""
    try:
        with path.open(encoding="utf-8") as stream:
            # ruamel and not PyYAML, as DVC does: PyYAML reads 1e-4 as text.
            raw = YAML(typ="safe", pure=True).load(stream)
    except FileNotFoundError:
        raise UserError(f"{path} is not in {Path.cwd()}; run this command in the project's folder") from None
    except (YAMLError, ValueError, KeyError) as error:  # the latter: 2024-02-30, !!bool x
        where = getattr(error, "problem_mark", None)
        line = f" near line {where.line + 1}" if where else ""
        raise UserError(f"{path} is not valid YAML{line}; correct it there") from None
    try:
        return Params.model_validate(raw)
    except ValidationError as error:
        raise UserError(f"{path}: {_sentence(error)}") from None


class _Ingest(Section):
    ingest: Ingest


def ingest(values: dict[str, Any]) -> Ingest:
    """Check values for ingest that are from elsewhere; raises `UserError` naming the key."""
    try:
        return _Ingest.model_validate({"ingest": values}).ingest
    except ValidationError as error:
        raise UserError(_sentence(error)) from None


def _sentence(error: ValidationError) -> str:
    """The first problem of a validation in words: key, what it must be, what it is."""
    errors = error.errors()
    # A misspelt key is also a missing one; only for the former can we say what was meant.
    first = next((error for error in errors if error["type"] == "extra_forbidden"), errors[0])
    keys = _keys(first["loc"])
    key = ".".join(keys)
    if first["type"] == "extra_forbidden":
        return _unknown(keys)
    if first["type"] == "missing":
        return f"{key} is missing; add it (git shows the file as it was shipped)"
    if not keys or first["type"] == "model_type":
        return f"{key or 'the file'} must hold keys and values, not {first['input']!r}"
    if first["type"] == "value_error":
        return f"{key}: {_allowed(first)}"
    # A union fails once per member; all its complaints together say what would be right.
    allowed = [_allowed(e) for e in errors if _keys(e["loc"]) == keys]
    value = "" if isinstance(first["input"], dict) else f", not {first['input']!r}"
    return f"{key} must be {' or '.join(dict.fromkeys(allowed))}{value}"


def _allowed(error: Any) -> str:
    message = str(error["msg"])
    for prefix in ("Input should be ", "Value error, ", "a valid "):
        message = message.removeprefix(prefix)
    return _PLAIN.get(message, message)


_PLAIN = {
    "number": "a number",
    "integer": "a whole number",
    "string": "text",
    "boolean": "true or false",
    "list": "a list",
}
"""Pydantic's names of types in words a reader of params.yaml uses."""


def _keys(location: tuple[int | str, ...]) -> list[str]:
    """The part of a pydantic location that is spelled in the file (unions append the type they tried)."""
    keys: list[str] = []
    fields: Any = Params.model_fields
    for part in location:
        if not isinstance(part, str) or fields is None:
            break
        by_name = {field.alias or name: field for name, field in fields.items()}
        keys.append(part)
        annotation = by_name[part].annotation if part in by_name else None
        is_section = isinstance(annotation, type) and issubclass(annotation, Section)
        fields = annotation.model_fields if is_section else None  # type: ignore[union-attr]
    return keys


def _unknown(keys: list[str]) -> str:
    fields: Any = Params.model_fields
    for part in keys[:-1]:
        by_name = {field.alias or name: field for name, field in fields.items()}
        fields = by_name[part].annotation.model_fields
    known = [field.alias or name for name, field in fields.items()]
    near = difflib.get_close_matches(keys[-1], known, n=1)
    way_out = f"did you mean {near[0]}?" if near else f"known here are {', '.join(known)}"
    return f"unknown key {'.'.join(keys)}; {way_out}"
