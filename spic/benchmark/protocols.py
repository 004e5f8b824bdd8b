"""The two ways to run the comparison: as the authors' repository does it, and as this project stands for.

A protocol is a handful of switches that the methods, stages and tables read; docs/protocols.md tells what each does and
why. What two protocols do alike is made once and shared.
"""

from dataclasses import dataclass, replace

from spic.errors import ConfigError
from spic.scsrdm.sampling import Sampling


@dataclass(frozen=True)
class Protocol:
    """Switches; the defaults are those of `corrected`.

    Attributes
    ----------
    name : str
        What configs and the column `protocol` call it.
    counted : str
        Whose bytes are the rate: "coded", the very files that are decoded, or "counted_official", files that the
        authors' scripts count and that are never decoded.
    ssm_source : str or None
        "ground_truth" where the data set has one; None leaves it to the config.
    segmenter_input : str or None
        Size at which the segmenter looks, "native" or "working"; None leaves it to the config.
    sampling : spic.scsrdm.sampling.Sampling or None
        Takes the place of what the file and the decoder's weights recommend; None leaves it to them.
    void_is_null : bool
        Void is coded as the null condition of guidance, also where the network was trained with a class of its own.
    one_generator : bool
        One random generator for all images of a job, so results depend on order; otherwise one per image.
    pictures : int or None
        Stop after so many; None takes all.
    absent : str
        What a class without a pixel counts in `miou`: "skip" leaves it out of the mean, "zero" counts it as 0.
    """

    name: str
    counted: str = "coded"
    ssm_source: str | None = None
    segmenter_input: str | None = None
    sampling: Sampling | None = None
    void_is_null: bool = False
    one_generator: bool = False
    pictures: int | None = None
    absent: str = "skip"


# frapez1/SPIC: 20 steps from the enlarged coarse image itself, guidance 1.5 in the test command.
_PUBLISHED_CHAIN = Sampling("published", steps=20, start=192, guidance=1.5)

CORRECTED = Protocol("corrected")
OFFICIAL = Protocol(
    "official",
    counted="counted_official",
    ssm_source="ground_truth",
    segmenter_input="native",
    sampling=_PUBLISHED_CHAIN,
    void_is_null=True,
    one_generator=True,
    pictures=62,
    absent="zero",
)
# The paper's text has no guidance, and the authors' training never drops the SSM that guidance needs dropped.
OFFICIAL_UNGUIDED = replace(OFFICIAL, name="official_unguided", sampling=replace(_PUBLISHED_CHAIN, guidance=1.0))

PROTOCOLS = {protocol.name: protocol for protocol in (CORRECTED, OFFICIAL, OFFICIAL_UNGUIDED)}


def get_protocol(name: str) -> Protocol:
    """Return the protocol called `name`; `ConfigError` lists the known ones."""
    if name not in PROTOCOLS:
        raise ConfigError(f"unknown protocol {name!r}; known: {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]
