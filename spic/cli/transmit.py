"""`spic transmit`: coded files through a noisy channel."""

from typing import Annotated

import typer

from spic.cli import files
from spic.cli.common import Force, Json, Threads, report
from spic.errors import ConfigError, DataError
from spic.machine import set_threads

_SPIC = b"SPIC"


def transmit(
    inputs: Annotated[list[str], typer.Argument(metavar="IN...", help="Coded files, folders of .spic, globs, or -.")],
    output: Annotated[str, typer.Option("--output", "-o", metavar="OUT", help="File, folder, or - for stdout.")],
    snr: Annotated[float | None, typer.Option(help="Es/N0 in dB.")] = None,
    modulation: Annotated[str, typer.Option(help="bpsk, qpsk, 16qam or 64qam.")] = "qpsk",
    code_rate: Annotated[
        str, typer.Option(help="1/5 to 19/20, or 1 for no code; ssm=1/3,coarse=2/3 for the parts of a .spic file.")
    ] = "1/2",
    fading: Annotated[str, typer.Option(help="none, or rayleigh: one gain per file.")] = "none",
    erasure: Annotated[
        float | None, typer.Option(help="Instead of --snr: erase each bit with this probability.")
    ] = None,
    flip: Annotated[float | None, typer.Option(help="Instead of --snr: flip each bit with this probability.")] = None,
    packet_bytes: Annotated[int, typer.Option(help="Bytes of a packet, header and CRC included.")] = 128,
    seed: Annotated[int, typer.Option(min=0, help="Seed of gain and noise.")] = 0,
    realisation: Annotated[int, typer.Option(min=0, help="Number of the realisation: other noise, same seed.")] = 0,
    threads: Threads = None,
    force: Force = False,
    as_json: Json = False,
):
    """Send coded files over a noisy channel and write what arrives.

    The segmentation map and the coarse image of a .spic file are two messages: the file that is written lacks the one
    that is lost. Any other file is one message. Where nothing arrives nothing is written, and the exit status is 1.
    """
    from spic.channel import BinaryErasure, BinarySymmetric, Channel

    given = {"--snr": snr, "--erasure": erasure, "--flip": flip}
    if sum(value is not None for value in given.values()) != 1:
        raise ConfigError(f"expected one of {', '.join(given)}")
    rates, common = _rates(code_rate), {"packet_bytes": packet_bytes, "seed": seed}
    binary = BinaryErasure(erasure, **common) if erasure is not None else None
    binary = BinarySymmetric(flip, **common) if flip is not None else binary
    channels = {name: binary or Channel(snr, modulation, rate, fading, **common) for name, rate in rates.items()}
    sources = files.find_sources(inputs, (".spic",))
    suffixes = {source.suffix for source in sources}
    if len(suffixes) > 1:
        raise ConfigError(f"files of one kind at a time, not {' and '.join(sorted(suffixes))}")
    targets = files.find_targets(inputs, sources, output, suffixes.pop() or ".spic", force)
    set_threads(threads)

    def work(source):
        data = files.read_bytes_from(source)
        sent, received = _send(data, channels, files.stem(source), realisation)
        record = {
            "input": str(source),
            "output": str(targets[source]),
            "bytes": len(data),
            "channel_uses": sum(one.uses for one in received.values()),
            "packets": sum(len(one.packets) for one in received.values()),
            "lost_packets": sum(one.lost for one in received.values()),
            "arrived": [name for name, one in received.items() if one.data is not None],
            "lost": [name for name, one in received.items() if one.data is None],
        }
        told = "{channel_uses} channel uses, {lost_packets} of {packets} packets lost".format(**record)
        if not record["arrived"]:
            raise DataError(f"nothing arrived ({told})")
        files.write_bytes_to(targets[source], _put_together(data, sent, received))
        line = f"{record['output']}: {told}" + "".join(f", {name} missing" for name in record["lost"])
        report(record, line, as_json, targets[source] == files.STDIO)

    files.for_each("sending", sources, work)


def _rates(text: str) -> dict[str, str]:
    """Code rate by message, "" for all: "1/2", or "ssm=1/3,coarse=2/3"."""
    if "=" not in text:
        return {"": text}
    pairs = [pair.partition("=") for pair in text.split(",")]
    rates = {name.strip(): rate.strip() for name, _, rate in pairs}
    if not all(rates.values()) or len(rates) < len(pairs) or not rates.keys() <= {"ssm", "coarse", "residual"}:
        raise ConfigError(f"--code-rate {text}: expected a rate, or ssm=RATE,coarse=RATE")
    return rates


def _send(data: bytes, channels: dict, image: str, realisation: int):
    """The messages of a file, and what arrived of each."""
    from spic.channel.spicfile import to_messages

    sent = to_messages(data) if data[: len(_SPIC)] == _SPIC else {"file": data}
    absent = [name for name in sent if name not in channels and "" not in channels]
    if absent:
        raise ConfigError(f"--code-rate names none for {' and '.join(absent)}")
    received = {
        name: (channels.get(name) or channels[""])(message, image, realisation, number)
        for number, (name, message) in enumerate(sent.items())
    }
    return sent, received


def _put_together(data: bytes, sent: dict, received: dict) -> bytes:
    """The file as it was sent where all of it arrived, else what is left of it."""
    from spic.channel.spicfile import from_messages

    arrived = {name: one.data for name, one in received.items() if one.data is not None}
    return data if arrived == sent else from_messages(arrived)
