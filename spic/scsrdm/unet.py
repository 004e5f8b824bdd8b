"""The conditional U-Net of SCSRDM, in the guided-diffusion family; parameter names are those of the released weights.

Data flow (each level halves height and width):

    image planes -> stem -> [ResBlock (+ attention)] * n -> down -> ... -> bottleneck        no SSM in the encoder
                                     | skips                                    |
    prediction <- head <- [SpadeResBlock (+ attention)] * (n + 1) <- up <- ... <'        SSM in bottleneck and decoder

Sources: Dhariwal and Nichol 2021 (arXiv 2105.05233), section 3; Wang et al. (arXiv 2207.00050), section 3.2.
"""

import math
from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from spic.scsrdm.config import ScsrdmConfig
from spic.scsrdm.refine import zeroed
from spic.scsrdm.spade import Condition, GroupNorm, NullCondition, Spade


class Attention(nn.Module):
    """Multi-head self-attention over the pixels, added to its input; q, k and v lie together head by head."""

    def __init__(self, channels: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm = GroupNorm(channels)
        self.qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.proj_out = zeroed(nn.Conv1d(channels, channels, 1))

    def forward(self, x):
        n, channels, height, width = x.shape
        tokens = self.norm(x).permute(0, 2, 3, 1).reshape(n, height * width, channels)
        qkv = F.linear(tokens, self.qkv.weight[:, :, 0], self.qkv.bias)
        q, k, v = qkv.view(n, height * width, self.heads, 3, channels // self.heads).permute(3, 0, 2, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, height * width, channels)
        mixed = F.linear(mixed, self.proj_out.weight[:, :, 0], self.proj_out.bias)
        return x + mixed.view(n, height, width, channels).permute(0, 3, 1, 2)


class _Block(nn.Module):
    """What both residual blocks share: resampling, time conditioning, skip connection.

    Their `parts` are: first norm, first convolution, second norm, and what follows it.
    """

    def __init__(self, channels: int, out: int, embedding: int, scale_shift: bool, resample):
        super().__init__()
        self.scale_shift = scale_shift
        self.resample = resample
        self.time_columns = slice(0)  # which columns of `UNet.times` are this block's
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(embedding, 2 * out if scale_shift else out))
        self.skip_connection = nn.Identity() if channels == out else nn.Conv2d(channels, out, 1)

    def forward(self, x, times, conditions):
        in_norm, in_conv, out_norm, out_layers = self.parts()
        hidden = F.silu(in_norm(x, conditions))
        if self.resample is not None:
            hidden, x = self.resample(hidden), self.resample(x)
        hidden = in_conv(hidden)
        time = times[:, self.time_columns, None, None]
        if self.scale_shift:
            scale, shift = time.chunk(2, dim=1)
            hidden = torch.addcmul(shift.to(hidden.dtype), out_norm(hidden, conditions), (1 + scale).to(hidden.dtype))
        else:
            hidden = out_norm(hidden + time.to(hidden.dtype), conditions)
        return self.skip_connection(x) + out_layers(hidden)


class ResBlock(_Block):
    """Residual block of the encoder: plain GroupNorm."""

    def __init__(self, channels, out, embedding, scale_shift, resample=None):
        super().__init__(channels, out, embedding, scale_shift, resample)
        self.in_layers = nn.Sequential(GroupNorm(channels), nn.SiLU(), nn.Conv2d(channels, out, 3, padding=1))
        self.out_layers = nn.Sequential(
            GroupNorm(out),
            nn.SiLU(),
            nn.Identity(),  # the released weights count a dropout layer here
            zeroed(nn.Conv2d(out, out, 3, padding=1)),
        )

    def parts(self):
        return self.in_layers[0], self.in_layers[2], self.out_layers[0], self.out_layers[1:]


class SpadeResBlock(_Block):
    """Residual block of bottleneck and decoder: both norms are SPADE."""

    def __init__(self, channels, out, embedding, scale_shift, ssm_channels, hidden, level, resample=None):
        super().__init__(channels, out, embedding, scale_shift, resample)
        self.in_norm = Spade(channels, ssm_channels, hidden, level)
        self.in_layers = nn.Sequential(nn.SiLU(), nn.Conv2d(channels, out, 3, padding=1))
        self.out_norm = Spade(out, ssm_channels, hidden, level - (resample is not None))
        self.out_layers = nn.Sequential(nn.SiLU(), nn.Identity(), zeroed(nn.Conv2d(out, out, 3, padding=1)))

    def parts(self):
        return self.in_norm, self.in_layers[1], self.out_norm, self.out_layers


class Stage(nn.Sequential):
    """Layers one after the other, each given what it takes besides x: time conditioning, the SSM, or nothing."""

    def forward(self, x, times, conditions=None):
        for layer in self:
            x = layer(x, times, conditions) if isinstance(layer, _Block) else layer(x)
        return x


class UNet(nn.Module):
    """The network without its meaning: 6 image planes, a timestep and an SSM in, raw output channels out."""

    def __init__(self, config: ScsrdmConfig):
        super().__init__()
        self.config = config
        base, patch = config.base_channels, config.patch_size
        embedding = 4 * base
        self.time_embed = nn.Sequential(nn.Linear(base, embedding), nn.SiLU(), nn.Linear(embedding, embedding))
        ssm_channels = config.ssm_planes
        if patch > 1:
            self.ssm_embed = nn.Conv2d(ssm_channels, config.ssm_channels, patch, stride=patch)
            ssm_channels = config.ssm_channels

        def block(channels, out, resample=None):
            return ResBlock(channels, out, embedding, config.scale_shift_norm, resample)

        def spade_block(channels, out, level, resample=None):
            return SpadeResBlock(
                channels, out, embedding, config.scale_shift_norm, ssm_channels, config.spade_hidden, level, resample
            )

        def attention(channels, level):
            attended = config.level_factors[level] in config.attention_factors
            return [Attention(channels, config.heads(channels))] if attended else []

        levels = config.level_channels
        channels = levels[0]
        self.input_blocks = nn.ModuleList([Stage(nn.Conv2d(6 * patch * patch, channels, 3, padding=1))])
        skips = [channels]
        for level, out in enumerate(levels):
            for _ in range(config.num_res_blocks):
                self.input_blocks.append(Stage(block(channels, out), *attention(out, level)))
                channels = out
                skips.append(channels)
            if level < len(levels) - 1:
                if config.resblock_updown:
                    down = block(channels, channels, nn.AvgPool2d(2))
                else:
                    down = nn.Sequential(OrderedDict(op=nn.Conv2d(channels, channels, 3, stride=2, padding=1)))
                self.input_blocks.append(Stage(down))
                skips.append(channels)

        middle = Attention(channels, config.heads(channels))
        first, last = (spade_block(channels, channels, len(levels) - 1) for _ in range(2))
        self.middle_block = Stage(first, middle, last)

        self.output_blocks = nn.ModuleList()
        for level, out in reversed(list(enumerate(levels))):
            for i in range(config.num_res_blocks + 1):
                layers = [spade_block(channels + skips.pop(), out, level), *attention(out, level)]
                channels = out
                if level and i == config.num_res_blocks:
                    larger = nn.Upsample(scale_factor=2)
                    if config.resblock_updown:
                        layers.append(spade_block(out, out, level, larger))
                    else:
                        layers.append(nn.Sequential(OrderedDict(larger=larger, conv=nn.Conv2d(out, out, 3, padding=1))))
                self.output_blocks.append(Stage(*layers))
        self.out = nn.Sequential(
            GroupNorm(channels),
            nn.SiLU(),
            zeroed(nn.Conv2d(channels, config.out_channels * patch * patch, 3, padding=1)),
        )

        self.blocks = [module for module in self.modules() if isinstance(module, _Block)]
        self.spades = [module for module in self.modules() if isinstance(module, Spade)]
        end = 0
        for block in self.blocks:
            start, end = end, end + block.emb_layers[1].out_features
            block.time_columns = slice(start, end)
        for index, spade in enumerate(self.spades):
            spade.index = index
        self.checkpointing = False  # in training: compute activations twice instead of keeping them

    def condition(self, ssm_onehot) -> Condition:
        """Prepare an SSM, (N, classes, H, W), for any number of passes; `Condition.keep` prepares more."""
        if self.config.condition == "coarse":
            ssm_onehot = torch.zeros_like(ssm_onehot)
        ssm, pooled = ssm_onehot.to(self.dtype), self.config.patch_size > 1
        return Condition(self.ssm_embed(ssm) if pooled else ssm, len(self.config.channel_mult), ssm_onehot, pooled)

    def null_condition(self, height: int, width: int, dtype=None) -> NullCondition:
        """What `condition` makes of an SSM of zeros, for images of one size; worth keeping for the next image."""
        patch, weight = self.config.patch_size, self.input_blocks[0][0].weight
        zeros = weight.new_zeros(1, self.config.ssm_planes, 1, 1)
        pixel = self.ssm_embed.bias.view(1, -1, 1, 1) if patch > 1 else zeros
        onehot = self.out[2].weight.new_zeros(1, self.config.ssm_planes, height, width)
        return NullCondition(self.spades, pixel, (height // patch, width // patch), onehot, dtype)

    def times(self, t):
        """Time conditioning of all blocks, float32 (N, columns), for timesteps t (N,).

        It depends on t alone, so a chain asks once, for all its steps. float32 whatever the blocks run in.
        """
        half = self.config.base_channels // 2
        frequencies = torch.exp(-math.log(10000) * torch.arange(half, dtype=torch.float32, device=t.device) / half)
        angles = t.float()[:, None] * frequencies  # geometric frequencies from 1 to 1/10000
        with torch.autocast(t.device.type, enabled=False):
            sines = torch.cat([angles.cos(), angles.sin()], dim=1)
            embedding = self.time_embed(sines.to(self.time_embed[0].weight.dtype))
            return torch.cat([block.emb_layers(embedding) for block in self.blocks], dim=1).float()

    def run(self, planes, times, conditions) -> list:
        """Raw outputs, float32 (N, 3 or 6, H, W), one for each prepared SSM.

        The encoder never sees the SSM, so several SSMs (guidance) share one encoder pass; the rest takes them all as
        one batch, for inference only.
        planes : (N, 6, H, W) input; times : (N or 1, columns), rows of `times`.
        """
        patch, copies = self.config.patch_size, len(conditions)
        x = planes.to(self.dtype)
        x = F.pixel_unshuffle(x, patch) if patch > 1 else x
        skips = []
        for stage in self.input_blocks:
            x = self._through(stage, x, times, None)
            skips.append(x)
        if len(times) > 1:
            times = times.repeat(copies, 1)
        h = self._through(self.middle_block, _copied(x, copies), times, conditions)
        for stage in self.output_blocks:
            h = self._through(stage, torch.cat([h, _copied(skips.pop(), copies)], dim=1), times, conditions)
        with torch.autocast(h.device.type, enabled=False):
            h = self.out(h.to(self.out[2].weight.dtype))
        h = F.pixel_shuffle(h, patch) if patch > 1 else h
        return list(h.float().chunk(copies))

    def _through(self, stage, x, times, conditions):
        if self.checkpointing and torch.is_grad_enabled():
            return checkpoint(stage, x, times, conditions, use_reentrant=False)
        return stage(x, times, conditions)

    def torso_to(self, dtype) -> "UNet":
        """Put the convolutions of encoder, bottleneck and decoder into `dtype`, for inference.

        As published, time conditioning, normalisation weights and the head stay float32: they are cheap, and their
        rounding would be seen in every pixel. So does what restores the coarse image.
        """
        for name, part in self.named_children():
            for module in part.modules() if name not in ("time_embed", "out", "restore") else ():
                if isinstance(module, nn.Conv1d | nn.Conv2d):
                    module.to(dtype)
        return self

    @property
    def dtype(self):
        """Number format of the torso."""
        return self.input_blocks[0][0].weight.dtype


def _copied(x, copies: int):  # `repeat` would lose channels_last
    return x if copies == 1 else torch.cat([x] * copies)
