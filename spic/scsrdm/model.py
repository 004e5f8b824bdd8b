"""SCSRDM: the U-Net together with the meaning of its input and output."""

import torch
import torch.nn.functional as F

from spic.errors import ConfigError
from spic.scsrdm import schedule
from spic.scsrdm.config import ScsrdmConfig
from spic.scsrdm.spade import Condition
from spic.scsrdm.unet import UNet


class Scsrdm(UNet):
    """Semantic-conditioned super-resolution diffusion model (SPIC, section III).

    Published networks see [x_t, c], c being the coarse image enlarged to full size, and predict epsilon, x0 or v.

    With `residual_std` the network is preconditioned. Let the picture be c plus a Gaussian residual of variance s2, and
    sigma2 = (1 - abar_t) / abar_t the noise variance of x_t / sqrt(abar_t). The best linear estimate of the picture is
    then the Wiener estimate x0_w = c + k (x_t / sqrt(abar_t) - c), k = s2 / (s2 + sigma2), with the error
    s = sqrt(s2 sigma2 / (s2 + sigma2)). The network sees [(x_t / sqrt(abar_t) - c) / sqrt(s2 + sigma2), c] and gives F,
    the prediction is x0 = x0_w + s F: input and output have unit scale at every timestep.
    (The idea of Karras et al. 2022, section 5, around a known mean.)
    """

    def __init__(self, config: ScsrdmConfig):
        super().__init__(config)
        self._abar = {}  # alphas_cumprod on each device; no buffer, so the state dict stays the published one

    def forward(self, x_t, t, ssm_onehot, coarse):
        """Predict from a noised picture.

        Parameters
        ----------
        x_t : torch.Tensor
            float (N, 3, H, W), the noised picture; pictures are in [-1, 1]. H and W are multiples of
            `config.size_multiple`.
        t : torch.Tensor
            Integer (N,), timesteps 0..999.
        ssm_onehot : torch.Tensor or Condition
            float (N, classes, H, W) one-hot SSM, all zero for void or "no SSM"; or what `condition` made of one.
        coarse : torch.Tensor
            float (N, 3, H / coarse_factor, W / coarse_factor), the decoded coarse image in [-1, 1].

        Returns
        -------
        torch.Tensor
            float32 (N, 3, H, W), epsilon, x0 or v by `config.prediction`; with a learned variance (N, 6, H, W), the
            last three in about [-1, 1]: 2 f - 1, f the fraction of the way from the posterior's log variance to beta's.
        """
        return self.predictions(x_t, t, [self._prepared(ssm_onehot)], coarse)[0]

    def predictions(self, x_t, t, conditions, coarse) -> list:
        """`forward` for several prepared SSMs of the same pictures, at the cost of one encoder pass."""
        x_t, c = x_t.float(), self.enlarge(coarse)
        if self.config.residual_std is None:
            return self.run(torch.cat([x_t, c], dim=1), t, conditions)
        planes, wiener, s = self._precondition(x_t, t, c)
        outputs = self.run(planes, t, conditions)
        return [torch.cat([wiener + s * raw[:, :3], raw[:, 3:]], dim=1) for raw in outputs]

    def denoise_raw(self, x_t, t, ssm_onehot, coarse):
        """Parts of a preconditioned prediction, for a loss ((x0 - wiener) / s - raw)^2 in units of s.

        Returns
        -------
        raw : torch.Tensor
            float32 (N, 3 or 6, H, W), the network's own output F (and variance channels).
        wiener : torch.Tensor
            float32 (N, 3, H, W), the Wiener estimate of x0.
        s : torch.Tensor
            float32 (N, 1, 1, 1), its standard error.
        """
        if self.config.residual_std is None:
            raise ConfigError("this network is not preconditioned: residual_std is null")
        planes, wiener, s = self._precondition(x_t.float(), t, self.enlarge(coarse))
        return self.run(planes, t, [self._prepared(ssm_onehot)])[0], wiener, s

    def enlarge(self, coarse):
        """Coarse image at full size, float32 (N, 3, H, W)."""
        factor, mode = self.config.coarse_factor, self.config.upsampling
        return F.interpolate(coarse.float(), scale_factor=factor, mode=mode, align_corners=False)

    def _prepared(self, ssm) -> Condition:
        return ssm if isinstance(ssm, Condition) else self.condition(ssm)

    def _precondition(self, x_t, t, c):
        if t.device not in self._abar:
            self._abar[t.device] = torch.tensor(schedule.alphas_cumprod(), dtype=torch.float32, device=t.device)
        abar = self._abar[t.device][t].view(-1, 1, 1, 1)
        s2, sigma2 = self.config.residual_std**2, (1 - abar) / abar
        offset = x_t * abar.rsqrt() - c
        wiener = c + s2 / (s2 + sigma2) * offset
        s = (s2 * sigma2 / (s2 + sigma2)).sqrt()
        return torch.cat([offset * (s2 + sigma2).rsqrt(), c], dim=1), wiener, s
