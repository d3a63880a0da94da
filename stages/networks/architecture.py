"""What a network is built as, in the names of params.yaml."""

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict

Window = tuple[int, int, int]
Millimetres = tuple[float, float, float]


class Architecture(BaseModel):
    """dims: 2, of slices with their neighbours, or 3, of windows of D slices. arch: a name of
    segmentation-models-pytorch, or of `volumetric`. dropout: a probability.

    2: encoder: likewise. depth: halvings of the U-shaped architectures, 3 to 5; the others have their own.
    decoder_width: of unet, unetplusplus and manet, channels of each step of the decoder as a share of the
    encoder's. 3: window: slices, rows and columns; spacing_mm: between them in the store, over the training
    cases, by which dynunet is planned; through_mm: between the slices that the network sees, None where they
    are each scan's own.
    """

    model_config = ConfigDict(frozen=True)

    dims: Literal[2, 3] = 2  # of the models from before it could be chosen
    arch: str
    encoder: str
    depth: int = 5  # likewise
    decoder_width: float = 0.5  # likewise
    dropout: float = 0.0
    window: Window | None = None
    spacing_mm: Millimetres | None = None
    through_mm: float | None = None

    @classmethod
    def of(cls, params: Any, spacing_mm: Millimetres | None = None, through_mm: float | None = None) -> Self:
        """From anything that has the other names, such as the train section of params.yaml."""
        names = [name for name in Architecture.model_fields if not name.endswith("_mm")]
        own = {name: getattr(params, name) for name in names}
        return cls(**own, spacing_mm=spacing_mm, through_mm=through_mm)
