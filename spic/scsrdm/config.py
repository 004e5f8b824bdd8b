"""The shape of an SCSRDM network as data; the defaults are the released model."""

from dataclasses import asdict, dataclass
from functools import partial
from math import lcm

from spic.errors import ConfigError
from spic.networks.config import Shape

# A config may come from anywhere: a billion blocks are refused at once.
_MOST = {"num_classes": 255, "num_res_blocks": 16, "refine_blocks": 64, "restore_blocks": 64}
_MOST_CHANNELS = 1 << 14
_GROUPS = 32  # groups of every GroupNorm in the published network
RESTORE_GROUPS = 8  # and of those that restore coarse images
_MULTIPLIERS = {64: (1, 2, 3, 4), 128: (1, 1, 2, 3, 4), 256: (1, 1, 2, 2, 4, 4), 512: (0.5, 1, 1, 2, 2, 4, 4)}


@dataclass(frozen=True)
class ScsrdmConfig(Shape):
    """Shape and meaning of a network. Every wrong value or contradiction raises `ConfigError`.

    Attributes
    ----------
    num_classes : int
        Classes of the SSM, void not counted.
    base_channels, channel_mult, num_res_blocks
        Channels of the first level, its multiples a level, residual blocks a level.
    nominal_size, attention_resolutions
        Attention sits where an image `nominal_size` high has a feature map of one of these heights.
    head_channels, num_heads
        Channels of an attention head; where that is null, the number of heads instead.
    resblock_updown, scale_shift_norm
        Resampling inside residual blocks; time conditioning by scale and shift instead of by addition.
    prediction, learned_variance
        Meaning of the first 3 output channels (epsilon, x0 or v); 3 more for the variance.
    patch_size
        Above 1, stem and head work on patches (pixel unshuffle and shuffle) and the SSM is embedded by patches.
    ssm_channels
        Channels of that embedding; unused with `patch_size` 1.
    spade_hidden
        Channels of the hidden layer of each SPADE.
    residual_std : float or None
        Standard deviation of image minus upsampled coarse image, in [-1, 1] units. Not null: the network corrects
        the Wiener estimate around the coarse image (see `spic.scsrdm.model`); needs prediction x0.
    refine_channels : int
        Width of a head at full resolution that corrects the prediction (see `spic.scsrdm.refine`); 0 for none, else
        needs `residual_std`.
    refine_blocks, finish_channels : int
        Residual blocks of that head, and width of its convolutions on the full grid; 0 for none.
    chroma : str
        Resolution of the predicted image's colour: "full", or "half" in height and width; the latter needs
        `residual_std`.
    low_pass : bool
        The predicted image loses its highest frequencies, where networks hide weaves (see `spic.scsrdm.refine`);
        needs `residual_std`.
    colour_share, luma_share : float
        Shares from 0 to 1 of the way that the predicted image's colour and luma go back to the coarse image's, on the
        coarse grid; they need `residual_std` and a condition with the coarse image.
    restore_channels, restore_blocks : int
        Width, a multiple of 8, and residual blocks of a network that first takes the marks of its codec from the coarse
        image (see `spic.scsrdm.restore`); 0 for none.
    coarse_factor, upsampling
        Size ratio of image and coarse image; bilinear or bicubic enlargement inside the network.
    void_class
        The SSM has one more channel, for void, so that the all-zero vector means "no SSM" and nothing else.
    condition
        What the network sees of its two conditions: "both", "coarse" (super-resolution alone) or "ssm" (synthesis
        from the map alone). The other one reaches it as zeros, whatever it is given.
    """

    num_classes: int = 19
    base_channels: int = 256
    channel_mult: tuple = (1, 1, 2, 2, 4, 4)
    num_res_blocks: int = 2
    nominal_size: int = 256
    attention_resolutions: tuple = (32, 16, 8)
    head_channels: int | None = 64
    num_heads: int = 4
    resblock_updown: bool = True
    scale_shift_norm: bool = True
    prediction: str = "epsilon"
    learned_variance: bool = True
    patch_size: int = 1
    ssm_channels: int = 32
    spade_hidden: int = 128
    residual_std: float | None = None
    refine_channels: int = 0
    refine_blocks: int = 0
    finish_channels: int = 0
    chroma: str = "full"
    low_pass: bool = False
    colour_share: float = 0.0
    luma_share: float = 0.0
    restore_channels: int = 0
    restore_blocks: int = 0
    coarse_factor: int = 4
    upsampling: str = "bilinear"
    void_class: bool = False
    condition: str = "both"

    def __post_init__(self):
        for name in ("channel_mult", "attention_resolutions"):
            try:
                object.__setattr__(self, name, tuple(getattr(self, name)))
            except TypeError:
                raise ConfigError(f"{name}: expected a list of numbers, got {getattr(self, name)!r}") from None
        for name in (
            "num_classes",
            "base_channels",
            "num_res_blocks",
            "nominal_size",
            "num_heads",
            "patch_size",
            "ssm_channels",
            "spade_hidden",
            "coarse_factor",
        ):
            most = _MOST.get(name, _MOST_CHANNELS)
            fits = _positive_int(getattr(self, name)) and getattr(self, name) <= most
            _require(fits, name, getattr(self, name), f"a whole number from 1 to {most}")
        for name in ("resblock_updown", "scale_shift_norm", "learned_variance", "void_class", "low_pass"):
            _require(isinstance(getattr(self, name), bool), name, getattr(self, name), "true or false")
        _require(
            1 <= len(self.channel_mult) <= 10 and all(_number(m) and 0 < m <= 64 for m in self.channel_mult),
            "channel_mult",
            self.channel_mult,
            "1 to 10 numbers above 0, at most 64",
        )
        _require(self.prediction in ("epsilon", "x0", "v"), "prediction", self.prediction, "epsilon, x0 or v")
        _require(self.upsampling in ("bilinear", "bicubic"), "upsampling", self.upsampling, "bilinear or bicubic")
        _require(self.condition in ("both", "coarse", "ssm"), "condition", self.condition, "both, coarse or ssm")
        for channels in (self.base_channels, *self.level_channels):
            if channels < _GROUPS or channels % _GROUPS:
                raise ConfigError(f"a level has {channels} channels; GroupNorm needs a multiple of {_GROUPS}")
        self._check_attention()
        if self.residual_std is not None:
            std = self.residual_std
            _require(_number(std) and 0 < std < 100, "residual_std", std, "a number above 0, or null")
            _require(self.prediction == "x0", "residual_std", std, "null unless prediction is x0")
        self._check_head()
        self._check_restore()

    def to_dict(self) -> dict:
        """Plain values that JSON can hold; `from_dict` reads them back."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @property
    def ssm_planes(self) -> int:
        """Channels of the one-hot SSM the network takes."""
        return self.num_classes + self.void_class

    @property
    def out_channels(self) -> int:
        """Channels of the prediction: 3, or 6 with a learned variance."""
        return 6 if self.learned_variance else 3

    @property
    def level_channels(self) -> tuple[int, ...]:
        """Channels of each level, finest first."""
        return tuple(int(mult * self.base_channels) for mult in self.channel_mult)

    @property
    def level_factors(self) -> tuple[int, ...]:
        """Down-scaling of each level with respect to the image."""
        return tuple(self.patch_size << level for level in range(len(self.channel_mult)))

    @property
    def attention_factors(self) -> tuple[int, ...]:
        """Down-scaling factors at which attention sits."""
        return tuple(self.nominal_size // resolution for resolution in self.attention_resolutions)

    @property
    def size_multiple(self) -> int:
        """Height and width of an image must be multiples of this."""
        return self.level_factors[-1]

    def heads(self, channels: int) -> int:
        """Number of attention heads of a layer with so many channels."""
        return self.num_heads if self.head_channels is None else channels // self.head_channels

    def _check_head(self):
        for name, other in (
            ("refine_channels", "residual_std"),
            ("refine_blocks", "refine_channels"),
            ("finish_channels", "refine_channels"),
        ):
            value, most = getattr(self, name), _MOST.get(name, _MOST_CHANNELS)
            fits = type(value) is int and (value == 0 or (0 < value <= most and getattr(self, other)))
            _require(fits, name, value, f"0, or a whole number up to {most} beside {other}")
        if self.refine_channels and self.size_multiple % 2:
            raise ConfigError("refine_channels: sides must be even, so patch_size or levels must halve once")
        allowed = ("full",) if self.residual_std is None or self.size_multiple % 2 else ("full", "half")
        _require(self.chroma in allowed, "chroma", self.chroma, "full, or half beside a residual_std")
        _require(not self.low_pass or self.residual_std is not None, "low_pass", True, "false without a residual_std")
        most = 0 if self.residual_std is None or self.condition == "ssm" else 1
        for name in ("colour_share", "luma_share"):
            value = getattr(self, name)
            fits = _number(value) and 0 <= value <= most
            _require(fits, name, value, "0 to 1 beside a residual_std and a coarse image, else 0")

    def _check_restore(self):
        channels, blocks = self.restore_channels, self.restore_blocks
        fits = type(channels) is int and 0 <= channels <= _MOST_CHANNELS and channels % RESTORE_GROUPS == 0
        if channels:
            sides = lcm(self.size_multiple, self.coarse_factor) // self.coarse_factor  # multiple of the coarse image's
            fits = fits and self.condition != "ssm" and sides % 2 == 0
        expected = f"0, or a multiple of {RESTORE_GROUPS} for a network that sees a coarse image with even sides"
        _require(fits, "restore_channels", channels, expected)
        fits = type(blocks) is int and (blocks == 0 or (channels and 0 < blocks <= _MOST["restore_blocks"]))
        _require(fits, "restore_blocks", blocks, f"0, or up to {_MOST['restore_blocks']} beside restore_channels")

    def _check_attention(self):
        wanted = self.attention_resolutions
        _require(all(map(_positive_int, wanted)), "attention_resolutions", wanted, "whole numbers of at least 1")
        attended = {self.level_channels[-1]}  # the bottleneck always attends
        for resolution, factor in zip(wanted, self.attention_factors, strict=True):
            if self.nominal_size % resolution or factor not in self.level_factors:
                raise ConfigError(f"attention_resolutions: no level has height {resolution} of {self.nominal_size}")
            attended.add(self.level_channels[self.level_factors.index(factor)])
        if self.head_channels is not None:
            _require(_positive_int(self.head_channels), "head_channels", self.head_channels, "a whole number or null")
        for channels in attended:
            if channels % (self.head_channels or self.num_heads):
                raise ConfigError(f"attention over {channels} channels does not divide into equal heads")


def network_of(config: dict) -> ScsrdmConfig:
    """The network that the config beside weights describes; `ConfigError` where it does not."""
    if isinstance(config.get("official"), dict):
        return ScsrdmConfig.from_dict(config_from_official(config["official"]))
    if "network" not in config:
        raise ConfigError("the config has no network settings")
    return ScsrdmConfig.from_dict(config["network"])


def config_from_official(options: dict) -> dict:
    """Translate the authors' option names into a network config.

    Parameters
    ----------
    options : dict
        Options as the authors' scripts name them (`image_size`, `num_channels`, `learn_sigma`, ...), values as numbers,
        booleans or their text forms. A missing option has the authors' default. Options that say nothing about the
        network (paths, batch size, `timestep_respacing`, ...) are ignored.

    Returns
    -------
    dict
        Settings for `spic.scsrdm.build`.

    Raises
    ------
    ConfigError
        For options that describe a network or a schedule this project does not have.

    Source: the authors' repository frapez1/SPIC, script_util.
    """
    size = _integer(options, "image_size", 64)
    if size not in _MULTIPLIERS:
        raise ConfigError(f"image_size {size}: expected one of {', '.join(map(str, _MULTIPLIERS))}")
    for name, only in (("diffusion_steps", "1000"), ("noise_schedule", "linear")):
        if str(options.get(name, only)) != only:
            raise ConfigError(f"{name} {options[name]!r}: only {only} is supported")
    for name, only, default in (
        ("class_cond", True, False),
        ("no_instance", True, False),
        ("use_new_attention_order", False, False),
    ):
        if _boolean(options, name, default) is not only:
            raise ConfigError(f"{name} must be {only}: networks of the other kind are not supported")
    head_channels = _integer(options, "num_head_channels", -1)
    return ScsrdmConfig(
        num_classes=_integer(options, "num_classes", 151),
        base_channels=_integer(options, "num_channels", 128),
        channel_mult=_numbers(options, "channel_mult", "") or _MULTIPLIERS[size],
        num_res_blocks=_integer(options, "num_res_blocks", 2),
        nominal_size=size,
        attention_resolutions=_numbers(options, "attention_resolutions", "16,8"),
        head_channels=None if head_channels == -1 else head_channels,
        num_heads=_integer(options, "num_heads", 4),
        resblock_updown=_boolean(options, "resblock_updown", False),
        scale_shift_norm=_boolean(options, "use_scale_shift_norm", True),
        prediction="x0" if _boolean(options, "predict_xstart", False) else "epsilon",
        learned_variance=_boolean(options, "learn_sigma", False),
    ).to_dict()


def _require(condition, name, value, expected):
    if not condition:
        raise ConfigError(f"{name} {value!r}: expected {expected}")


def _number(value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _positive_int(value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 1 << 16


def _option(options, name, default, read, expected):
    try:
        return read(options.get(name, default))
    except (TypeError, ValueError, KeyError):
        raise ConfigError(f"{name} {options[name]!r}: expected {expected}") from None


def _split(value) -> tuple:
    numbers = [float(part) for part in (value.split(",") if isinstance(value, str) else value) if part != ""]
    return tuple(int(number) if number.is_integer() else number for number in numbers)


_WORDS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_integer = partial(_option, read=int, expected="a whole number")
_boolean = partial(_option, read=lambda value: _WORDS[str(value).lower()], expected="true or false")
_numbers = partial(_option, read=_split, expected="numbers separated by commas")
