"""`fd_alex`: a Fréchet distance on features that no loss of this project uses, AlexNet's last convolution.

Every position of the map is one sample, so that a hundred images give thousands. The weights are those of LPIPS with
AlexNet (setting `lpips_weights`); other networks give no such column.
"""

from spic.metrics.columns import Metric
from spic.metrics.observations import LPIPS, Observation
from spic.metrics.perceptual import Lpips, network_of
from spic.metrics.statistics import frechet, frechet_interval


def _build(weights, device):
    network = Lpips(weights, device)
    return lambda sample: {"features": network.features(sample.decoded)}


def _weights(settings):
    path = LPIPS.weights(settings)
    return path if path is not None and network_of(path) == "alex" else None


ALEXNET = Observation("alexnet", _build, weights=_weights)  # features float32 (P, 256)
COLUMNS = (
    Metric(
        "fd_alex",
        "Fréchet distance (AlexNet)",
        "alexnet",
        value=frechet,
        interval=frechet_interval,
        each=None,
        lower_is_better=True,
        digits=1,
        place=None,
        observation=ALEXNET,
    ),
)
