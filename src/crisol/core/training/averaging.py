"""The exponential moving average of a network's weights, on torch's ``AveragedModel``."""

from torch import Tensor, nn
from torch.optim.swa_utils import PARAM_LIST, AveragedModel, get_ema_multi_avg_fn


class WeightAverage(AveragedModel):
    """A second network, ``module``, whose weights follow the first one's slowly.

    :meth:`update_parameters` is called after every optimiser step (arXiv:1806.05594 and others).
    The decay rises, ``min(decay, (1 + step) / (10 + step))``, so that short trainings do not
    average in the initial weights. Buffers, such as batch statistics, are copied at every step.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__(network, multi_avg_fn=self._follow)
        self._decay = decay
        self.requires_grad_(False).eval()
        self.update_parameters(network)  # torch copies the weights at the first call, and counts it

    def _follow(self, averages: PARAM_LIST, currents: PARAM_LIST, _: Tensor | int) -> None:
        step = int(self.n_averaged)
        decay = min(self._decay, (1 + step) / (10 + step))
        get_ema_multi_avg_fn(decay)(averages, currents, step)  # type: ignore[no-untyped-call]
