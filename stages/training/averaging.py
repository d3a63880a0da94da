"""An exponential moving average of the weights (`train.ema`), kept by Lightning's callback."""

import torch
from lightning.pytorch.callbacks import WeightAveraging


class Averaging(WeightAveraging):
    """Follows the weights after each step of the optimiser; validation scores the average.

    It starts fast: its decay is (1 + n) / (10 + n) after n steps until it reaches `decay`.
    """

    def __init__(self, decay: float) -> None:
        def average(old: torch.Tensor, new: torch.Tensor, count: torch.Tensor | int) -> torch.Tensor:
            now = min(decay, (1 + float(count)) / (10 + float(count)))
            return old.lerp(new.to(old.dtype), 1 - now) if old.is_floating_point() else new

        super().__init__(avg_fn=average)

    @property
    def network(self) -> torch.nn.Module:
        """The averaged network of the `Segmenter` in training."""
        assert self._average_model is not None
        network: torch.nn.Module = self._average_model.module.network
        return network
