"""A trained network that answers, on a GPU where there is one."""

import numpy as np
import torch

from stages.networks.modelfile import Model
from stages.networks.network import Network
from stages.scan.windows import depth_of


class TorchPredictor:
    """See `predictor.Predictor`. The network is left in evaluation mode."""

    def __init__(self, network: Network, depth: int, batch_size: int) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.network = network.to(self.device).eval()
        self.depth = depth
        self.batch_size = batch_size

    @classmethod
    def of(cls, model: Model, network: Network) -> "TorchPredictor":
        """With the window and the batch that the model was trained with."""
        return cls(network, depth_of(model.context), model.batch_size)

    @torch.inference_mode()
    def answer(self, windows: np.ndarray) -> np.ndarray:
        images = torch.from_numpy(windows).to(self.device)
        return self.network(images).sigmoid().cpu().numpy()
