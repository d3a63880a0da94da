"""Losses for region maps: logits (N, R, H, W) against float truth of the same shape, reduced to a scalar."""

from collections.abc import Callable

import segmentation_models_pytorch as smp
import torch
from torch import nn

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class DiceBCE(nn.Module):
    """Soft Dice (Milletari et al. 2016, arXiv 1606.04797) plus binary cross-entropy, one to one."""

    def __init__(self) -> None:
        super().__init__()
        self.dice = smp.losses.DiceLoss("multilabel", smooth=1.0)
        self.bce = nn.BCEWithLogitsLoss()

    def forward(self, logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        return self.dice(logits, truth) + self.bce(logits, truth)


class Combo(nn.Module):
    """Cross-entropy that weighs misses and false alarms alike (beta 0.5), half and half with soft Dice
    (Taghanaki et al. 2019, arXiv 1805.02798, equation 3, alpha 0.5; written as 1 - Dice, so that 0 is best).
    """

    def __init__(self) -> None:
        super().__init__()
        self.dice = smp.losses.DiceLoss("multilabel", smooth=1.0)
        self.bce = nn.BCEWithLogitsLoss()

    def forward(self, logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        return 0.5 * 0.5 * self.bce(logits, truth) + 0.5 * self.dice(logits, truth)


class FocalTversky(nn.Module):
    """Tversky loss to the power of 3/4 (Abraham and Khan 2018, arXiv 1810.07842)."""

    def __init__(self, **tversky: float) -> None:
        super().__init__()
        self.tversky = smp.losses.TverskyLoss("multilabel", **tversky)

    def forward(self, logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        # A batch without tumour has a loss of 0, where the root has no finite slope: its gradient would be
        # NaN.
        return self.tversky(logits, truth).clamp(min=1e-6) ** 0.75


_TVERSKY = {"alpha": 0.3, "beta": 0.7, "smooth": 1.0}
"""Misses weigh 0.7 against 0.3 for false alarms, as in the paper."""

LOSSES: dict[str, Callable[[], Loss]] = {
    "dice_bce": DiceBCE,
    "dice": lambda: smp.losses.DiceLoss("multilabel", smooth=1.0),
    "bce": nn.BCEWithLogitsLoss,
    "focal": lambda: smp.losses.FocalLoss("multilabel"),
    "tversky": lambda: smp.losses.TverskyLoss("multilabel", **_TVERSKY),
    "focal_tversky": lambda: FocalTversky(**_TVERSKY),
    "combo": Combo,
    "lovasz": lambda: smp.losses.LovaszLoss("multilabel", per_image=False),
}
"""By the name that `train.loss` gives it.

focal: Lin et al. 2017, arXiv 1708.02002; tversky: Salehi et al. 2017, arXiv 1706.05721; lovasz: Berman et al.
2018, arXiv 1705.08790.
"""
