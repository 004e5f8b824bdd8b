"""SCSRDM: the U-Net together with the meaning of its input and output."""

import torch
import torch.nn.functional as F

from spic.errors import ConfigError
from spic.scsrdm import schedule
from spic.scsrdm.config import ScsrdmConfig
from spic.scsrdm.geometry import check_inputs, pad
from spic.scsrdm.refine import Refine, half_chroma, low_pass, nearer
from spic.scsrdm.restore import Restore
from spic.scsrdm.spade import Condition
from spic.scsrdm.unet import UNet


class Scsrdm(UNet):
    """Semantic-conditioned super-resolution diffusion model (SPIC, section III).

    Published networks see [x_t, c], c being the coarse image enlarged to full size, and predict epsilon, x0 or v.

    With `residual_std` the network is preconditioned. Let the image be c plus a Gaussian residual of variance s2, and
    sigma2 = (1 - abar_t) / abar_t the noise variance of x_t / sqrt(abar_t). The best linear estimate of the image is
    then the Wiener estimate x0_w = c + k (x_t / sqrt(abar_t) - c), k = s2 / (s2 + sigma2), with the error
    s = sqrt(s2 sigma2 / (s2 + sigma2)). The network sees [(x_t / sqrt(abar_t) - c) / sqrt(s2 + sigma2), c] and gives F,
    the prediction is x0 = x0_w + s F: input and output have unit scale at every timestep.
    (The idea of Karras et al. 2022, section 5, around a known mean.) With `refine_channels` a small head at full
    resolution then corrects F once more, from that x0, c and the SSM. With `chroma` "half" the prediction's colour is
    drawn at half resolution; with `colour_share` and `luma_share` it is nearer to c; with `low_pass` the prediction has
    nothing that changes from pixel to pixel.
    With `restore_channels` it is made for coarse images that `restored` has seen first.
    """

    def __init__(self, config: ScsrdmConfig):
        super().__init__(config)
        shape = (config.refine_channels, config.ssm_planes, config.refine_blocks, config.finish_channels)
        self.refine = Refine(*shape) if config.refine_channels else None
        if config.restore_channels:
            self.restore = Restore(config.restore_channels, config.restore_blocks, config.ssm_planes)
        self._abar = {}  # alphas_cumprod on each device; no buffer, so the state dict stays the published one

    def forward(self, x_t, t, ssm_onehot, coarse):
        """Predict from a noised image.

        Parameters
        ----------
        x_t : torch.Tensor
            float (N, 3, H, W), the noised image; images are in [-1, 1]. H and W are multiples of
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
        return self.predictions(x_t, t, self.times(t), [self._prepared(ssm_onehot)], self.enlarge(coarse))[0]

    def predictions(self, x_t, t, times, conditions, c) -> list:
        """`forward` for several prepared SSMs of the same images, at the cost of one encoder pass.

        What a chain need not compute at each step comes from outside: times = `self.times(t)`, c = `self.enlarge`
        of the coarse image. t is (N,), or (1,) for all images.
        """
        x_t = x_t.float()
        if self.config.residual_std is None:
            return self.run(torch.cat([x_t, c], dim=1), times, conditions)
        planes, wiener, s = self._precondition(x_t, t, c)
        pairs = zip(self.run(planes, times, conditions), conditions, strict=True)
        outputs = [self._refined(raw, condition, wiener, s, c) for raw, condition in pairs]
        return [torch.cat([self._finished(wiener + s * raw[:, :3], c), raw[:, 3:]], dim=1) for raw in outputs]

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
        c, condition = self.enlarge(coarse), self._prepared(ssm_onehot)
        planes, wiener, s = self._precondition(x_t.float(), t, c)
        return self._refined(self.run(planes, self.times(t), [condition])[0], condition, wiener, s, c), wiener, s

    def restored(self, ssm_onehot, coarse):
        """Coarse images as `forward` is to be given them: without their codec's marks, where the network has that part.

        `spic.scsrdm.decoder.Decoder` and the trainings do this before anything else.

        Parameters
        ----------
        ssm_onehot : torch.Tensor
            float (N or 1, classes, H, W).
        coarse : torch.Tensor
            float (N, 3, H / coarse_factor, W / coarse_factor) in [-1, 1].

        Returns
        -------
        torch.Tensor
            float32, as `coarse`, in [-1, 1].

        Raises
        ------
        DataError
            Shapes or channels that do not fit each other or the network.
        """
        if not self.config.restore_channels:
            return coarse
        check_inputs(self.config, ssm_onehot, coarse)
        height, width = coarse.shape[-2:]
        ssm_onehot, coarse = pad(self.config, ssm_onehot.float(), coarse.float())
        shares = F.avg_pool2d(ssm_onehot, self.config.coarse_factor) * (self.config.condition != "coarse")
        return self.restore(coarse, shares).clamp(-1, 1)[..., :height, :width]

    def enlarge(self, coarse):
        """Coarse image at full size, float32 (N, 3, H, W)."""
        if self.config.condition == "ssm":
            coarse = torch.zeros_like(coarse)
        return F.interpolate(
            coarse.float(),
            scale_factor=self.config.coarse_factor,
            mode=self.config.upsampling,
            align_corners=False,
        )

    def _refined(self, raw, condition, wiener, s, c):
        if self.refine is None:
            return raw
        correction = self.refine(wiener + s * raw[:, :3], c, condition.onehot)
        return torch.cat([raw[:, :3] + correction, raw[:, 3:]], dim=1)

    def _finished(self, x0, c):
        config = self.config
        if config.chroma == "half":
            x0 = half_chroma(x0)
        if config.colour_share or config.luma_share:
            x0 = nearer(x0, c, config.colour_share, config.luma_share, config.coarse_factor)
        return low_pass(x0) if config.low_pass else x0

    def _prepared(self, ssm) -> Condition:
        return ssm if isinstance(ssm, Condition) else self.condition(ssm)

    def _precondition(self, x_t, t, c):
        if t.device not in self._abar:
            self._abar[t.device] = torch.tensor(schedule.alphas_cumprod(), dtype=torch.float32, device=t.device)
        abar = self._abar[t.device][t].view(-1, 1, 1, 1)
        s2, sigma2 = self.config.residual_std**2, (1 - abar) / abar
        offset = x_t * abar.rsqrt() - c
        planes = torch.cat([offset * (s2 + sigma2).rsqrt(), c], dim=1)
        return planes, c + s2 / (s2 + sigma2) * offset, (s2 * sigma2 / (s2 + sigma2)).sqrt()
