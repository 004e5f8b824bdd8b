"""How to sample: which sampler, over which timesteps, how strongly guided. Needs neither numpy nor torch."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import pairwise
from math import isfinite
from numbers import Integral

from spic.errors import ConfigError

NUM_TIMESTEPS = 1000
START = 192  # last timestep of the published inference chain
STEPS = 20
SAMPLERS = ("published", "ancestral", "ddim", "dpmsolver++", "noiseless")  # a `.spic` file has their number here


@dataclass(frozen=True)
class Sampling:
    """Settings of `spic.scsrdm.sample`; the defaults are the published ones. Every wrong value raises `ConfigError`.

    Attributes
    ----------
    sampler : str
        "published": ancestral DDPM steps from the enlarged coarse image itself, no noise at the start (the authors'
        chain). "ancestral": the same from the coarse image noised to the first timestep, which is what networks are
        trained on. "ddim": deterministic steps (eta 0) from that noised start. "dpmsolver++": the same of second order.
        "noiseless": DDIM from the coarse image scaled to the first timestep, without noise: no seed has a part in it.
    steps, start : int or None
        A chain over `steps` timesteps from 0 to `start`, see `even_timesteps`; None where there are `timesteps`.
    timesteps : tuple of int or None
        The chain itself: strictly ascending in 0..999. It excludes `steps`.
    guidance : float
        Scale s of eps(no SSM) + s (eps(SSM) - eps(no SSM)); 1.0 is plain conditioning at little over half the price.
    """

    sampler: str = "published"
    steps: int | None = None
    start: int | None = None
    timesteps: tuple[int, ...] | None = None
    guidance: float = 1.0

    def __post_init__(self):
        if self.sampler not in SAMPLERS:
            raise ConfigError(f"unknown sampler {self.sampler!r}; known: {', '.join(SAMPLERS)}")
        guidance = self.guidance
        if isinstance(guidance, bool) or not isinstance(guidance, int | float) or not isfinite(guidance):
            raise ConfigError(f"guidance {guidance!r}: expected a finite number")
        start = START if self.start is None else self.start
        chain = choose_timesteps(self.steps, self.timesteps, start)
        if self.timesteps is None:
            vars(self).update(steps=len(chain), start=int(start))
        else:
            vars(self).update(timesteps=tuple(chain), start=None)

    @classmethod
    def from_dict(cls, settings: dict) -> "Sampling":
        """The settings of a table; what it does not name, or says is None, has the published value."""
        return cls().merge(settings)

    def to_dict(self) -> dict:
        """{sampler, guidance, steps, start} or {sampler, guidance, timesteps}, as JSON can hold it."""
        found = {"sampler": self.sampler, "guidance": self.guidance, **asdict(self)}
        found["timesteps"] = self.timesteps and list(self.timesteps)
        return {key: value for key, value in found.items() if value is not None}

    def merge(self, changes: dict) -> "Sampling":
        """These settings with `changes`; what `changes` says is None has the published value.

        Another number of `steps` alone keeps a list's ends: they are spread evenly from its first to its last timestep.
        """
        if not isinstance(changes, dict):
            raise ConfigError("sampling: expected a table of settings")
        unknown = sorted(map(str, changes.keys() - asdict(self).keys()))
        if unknown:
            raise ConfigError(f"unknown sampling settings: {', '.join(unknown)}")
        own = self.to_dict()
        steps, start = changes.get("steps"), changes.get("start")
        alone = steps is not None and changes.keys().isdisjoint(("timesteps", "start"))
        if changes.get("timesteps") is not None:
            own = {"sampler": self.sampler, "guidance": self.guidance}
        elif alone and self.timesteps:
            if steps != len(self.timesteps):
                own["timesteps"] = even_timesteps(steps, self.timesteps[-1], self.timesteps[0])
            changes = changes | {"steps": None}
        elif (steps, start) != (None, None):
            own.pop("timesteps", None)
        return Sampling(**{key: value for key, value in {**own, **changes}.items() if value is not None})

    @property
    def chain(self) -> list[int]:
        """The timesteps, ascending."""
        return choose_timesteps(self.steps, self.timesteps, self.start)

    @property
    def passes(self) -> int:
        """How often the network looks at one image."""
        return len(self.chain) * (1 if self.guidance == 1.0 else 2)


def published_timesteps() -> list[int]:
    """Timesteps of the paper's 20-step inference: respaced to 100, those up to 200 kept: 0, 10, ..., 182, 192."""
    return [t for t in even_timesteps(100, NUM_TIMESTEPS - 1) if t <= 200]


def even_timesteps(steps: int, start: int, end: int = 0) -> list[int]:
    """`steps` timesteps evenly spaced from `end` to `start`, ascending; one step alone is `start` itself.

    `ConfigError` if `start` is outside 0..999 or there are not so many different timesteps.
    """
    if not (_whole(steps) and _whole(start) and end <= start < NUM_TIMESTEPS and 1 <= steps <= start - end + 1):
        raise ConfigError(f"no {steps} different timesteps between {end} and {start} (of 0..{NUM_TIMESTEPS - 1})")
    if steps == 1:
        return [int(start)]
    return [end + round(i * ((start - end) / (steps - 1))) for i in range(steps)]


def choose_timesteps(steps: int | None = None, timesteps=None, start: int = START) -> list[int]:
    """Timesteps of a chain, from either a list or a number of steps.

    Parameters
    ----------
    steps : int, optional
        Number of steps, 20 if nothing is given. 20 steps from the published start are the published list.
    timesteps : sequence of int, optional
        The list itself, strictly ascending in 0..999; excludes `steps`.
    start : int
        Largest timestep, for `steps`.

    Raises
    ------
    ConfigError
        If both are given, or the list is not strictly ascending within 0..999.
    """
    if timesteps is None:
        steps = STEPS if steps is None else steps
        return published_timesteps() if (steps, start) == (STEPS, START) else even_timesteps(steps, start)
    if steps is not None:
        raise ConfigError("give either steps or timesteps, not both")
    chosen = list(timesteps) if isinstance(timesteps, Iterable) else []
    if not chosen or not all(map(_whole, chosen)):
        raise ConfigError("timesteps: expected a list of whole numbers")
    if chosen[0] < 0 or chosen[-1] >= NUM_TIMESTEPS or any(a >= b for a, b in pairwise(chosen)):
        raise ConfigError(f"timesteps must rise strictly within 0..{NUM_TIMESTEPS - 1}, got {chosen}")
    return [int(t) for t in chosen]


def _whole(value) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)
