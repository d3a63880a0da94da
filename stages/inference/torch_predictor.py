"""A trained network that answers, on a GPU where there is one."""

import numpy as np
import torch

from stages.inference import sliding
from stages.networks.modelfile import Model
from stages.networks.network import Network
from stages.networks.volumetric import VolumeNetwork
from stages.scan.windows import depth_of


class TorchPredictor:
    """See `predictor.Predictor`. The network is left in evaluation mode."""

    def __init__(
        self,
        network: Network | VolumeNetwork,
        depth: int,
        batch_size: int,
        window: sliding.Size | None = None,
        through_mm: float | None = None,
    ) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.network = network.to(self.device).eval()
        self.depth = depth
        self.batch_size = batch_size
        self.window = window
        self.through_mm = through_mm

    @classmethod
    def of(cls, model: Model, network: Network | VolumeNetwork) -> "TorchPredictor":
        """With the window and the batch that the model was trained with."""
        depth = model.window[0] if model.window else depth_of(model.context)
        return cls(network, depth, model.batch_size, model.window, model.through_mm)

    @torch.inference_mode()
    def answer(self, windows: np.ndarray) -> np.ndarray:
        images = torch.from_numpy(windows).to(self.device)
        return self.network(images).sigmoid().cpu().numpy()
