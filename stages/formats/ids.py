"""Ids in COCO files: whole numbers or text. Programs that reckon in tables write the number 1 as 1.0."""

from typing import Annotated, Any

from pydantic import PlainValidator


def _id(value: Any) -> int | str:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if type(value) is int or isinstance(value, str):
        return value
    raise ValueError(f"it must be a whole number or text, not {value!r:.40}")


Id = Annotated[int | str, PlainValidator(_id)]
Name = Annotated[str, PlainValidator(lambda value: str(_id(value)))]
"""Of a category; some are numbers that nobody put in quotes."""
