"""What a network is built as, in the names of params.yaml."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict


class Architecture(BaseModel):
    """arch, encoder: names of segmentation-models-pytorch. depth: halvings of the U-shaped architectures, 3
    to 5; the others have their own. decoder_width: of unet, unetplusplus and manet, channels of each step of
    the decoder as a share of the encoder's. dropout: before the last convolution, a probability.
    """

    model_config = ConfigDict(frozen=True)

    arch: str
    encoder: str
    depth: int = 5  # of the models from before it could be chosen
    decoder_width: float = 0.5  # likewise
    dropout: float = 0.0

    @classmethod
    def of(cls, params: Any) -> Self:
        """From anything that has these names, such as the train section of params.yaml."""
        return cls(**{name: getattr(params, name) for name in Architecture.model_fields})
