"""Feeds damaged bytes to every decoder: `python tests/fuzz.py N`, or `make fuzz N=...`.

Case i is made from valid files by a random generator seeded with (--seed, i), so that a finding is named by its
number and can be made again: bytes changed, dropped, repeated; two files spliced; sizes in headers made wrong.
A worker process decodes; this one watches it, saves what it stumbled over and starts it again behind that case.
Findings: exceptions other than SpicError, crashes, more than 2 s (CPU), more than 512 MB.
No diffusion runs: `.spic` files are parsed and their SSM and coarse picture decoded.
"""

import argparse
import json
import random
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from fuzz_changes import sealed_spic, sealed_spicv, splice, wrong_size

MAX_SECONDS, MAX_MEGABYTES = 2.0, 512
MAX_PIXELS = 1 << 24  # that a file may claim; time and memory grow with it
HANGS = 300.0  # wall-clock seconds without progress after which a worker is ended
FINDINGS = Path("fuzz-findings")
DATA = Path(__file__).resolve().parent / "data"  # small valid files of other encoders
SMALL = 4096  # bytes
INTERESTING = (0, 1, 2, 15, 16, 31, 32, 63, 64, 127, 128, 129, 192, 240, 254, 255)


def targets(folder: Path) -> dict:
    """Name of a target to (decode, corpus of valid inputs)."""
    import numpy as np

    from spic.codecs import codec_names, get_codec
    from spic.errors import SpicError

    rng = np.random.default_rng(0)
    blocks = np.kron(rng.integers(0, 11, (4, 8)), np.ones((8, 8))).astype(np.uint8)
    noise = rng.integers(0, 11, (19, 33), np.uint8)
    smooth = np.add.outer(np.arange(32), np.arange(64))[..., None] * np.array([1, 2, 3])
    pictures = [smooth.astype(np.uint8), rng.integers(0, 256, (9, 17, 3), np.uint8), np.full((8, 16, 3), 90, np.uint8)]
    alpha = np.dstack((pictures[0], pictures[0][..., :1]))
    found = {}
    for name in codec_names():
        codec, corpus = get_codec(name), []
        for image in (blocks, noise, *pictures, alpha, pictures[0][..., :1]):
            try:
                corpus.append(codec.encode(image, **({"bpp": 8} if codec.quality_name == "bpp" else {})))
            except SpicError:  # not a kind of picture that this codec takes
                continue
        for file in sorted((DATA / name).glob(f"*.{codec.extension}")):
            data = file.read_bytes()
            if len(data) <= SMALL and _is_valid(codec.decode, data):
                corpus.append(data)
        if corpus:
            found[name] = codec.decode, corpus
        else:
            print(f"{name} codes nothing: left out", file=sys.stderr)
    found["spic"] = _spic_target(blocks, smooth.astype(np.uint8))
    found["weights"] = _weights_target(folder)
    found["labelmap-after"] = _after_target(blocks)
    found["spicv"] = _spicv_target(blocks, smooth.astype(np.uint8))
    return found


def _is_valid(decode, data: bytes) -> bool:
    from spic.errors import SpicError

    try:
        decode(data)
    except SpicError:
        return False
    return True


def _spic_target(ssm, picture):
    """Files of both versions; all are read strictly, and what can be read with parts missing is decoded as well."""
    from spic.bitstream import Residual, SpicFile, read_spic, write_spic
    from spic.codecs import get_codec
    from spic.errors import SpicError
    from spic.receiver import Receiver
    from spic.scsrdm.sampling import Sampling

    bpg, receiver = get_codec("bpg"), Receiver(max_pixels=MAX_PIXELS)
    common = {"size": (32, 64), "label_space": "camvid11", "coarse_codec": "bpg", "weights_id": "00000000"}
    common |= {"coarse": bpg.encode(picture[::4, ::4].copy(), qp=30), "original_size": (30, 61)}
    corpus = []
    for name, residual in (("flif", "bpg"), ("png", "png")):
        plain = SpicFile(ssm_codec=name, ssm=get_codec(name).encode(ssm), **common)
        full = replace(plain, seed=7, sampling=Sampling("ddim", timesteps=(0, 9, 99), guidance=1.5))
        corpus += [write_spic(plain), write_spic(full), write_spic(plain, version=2)]
        corpus += [write_spic(replace(full, residual=Residual(residual, 2, get_codec(residual).encode(picture))))]
        corpus += [write_spic(replace(plain, ssm=None)), write_spic(replace(plain, coarse=None))]

    def decode(data: bytes):
        with suppress(SpicError):
            receiver.parts(write_spic(read_spic(data, MAX_PIXELS, allow_missing=True)))
        receiver.parts(data)

    return decode, corpus


def _moved(array, count=5):
    import numpy as np

    return [np.ascontiguousarray(np.roll(array, i, 1)) for i in range(count)]


def _after_target(ssm):
    """P maps, decoded behind the map that they build on."""
    from spic.codecs.labelmap.clip import MapsDecoder, MapsEncoder

    maps = _moved(ssm)
    first, corpus = MapsEncoder.shipped().encode(ssm), []
    for labels in (*maps, maps[1] * 0, maps[2] * 7):
        encoder = MapsEncoder.shipped()
        encoder.encode(ssm)
        corpus.append(encoder.encode(labels))

    def decode(data: bytes):
        decoder = MapsDecoder.shipped()
        decoder.decode(first)
        decoder.decode(data)

    return decode, corpus


def _spicv_target(ssm, picture):
    """Clips, with all maps and with half of them; all frames up to the damage are decoded."""
    import io

    from spic.errors import SpicError
    from spic.receiver import Receiver
    from spic.transmitter import Transmitter
    from spic.video import ClipReceiver, ClipTransmitter

    clips, corpus = ClipReceiver(Receiver(max_pixels=MAX_PIXELS)), []
    for options in ({"qp": 20, "every": 3}, {"qp": 40, "every": 4, "halve": True}):
        file = io.BytesIO()
        for _ in ClipTransmitter(**options, sender=Transmitter()).encode(_moved(picture), file, 15, _moved(ssm)):
            pass
        corpus.append(file.getvalue())

    def decode(data: bytes):
        for _ in clips.parts(clips.open(io.BytesIO(data))):
            pass
        clip = clips.open(io.BytesIO(data))
        with suppress(SpicError):
            list(clips.parts(clip, 4))

    return decode, corpus


def _weights_target(folder: Path):
    """A checkpoint as one string of bytes: length of the config, config, tensors."""
    from spic.scsrdm import build, load_checkpoint, save_checkpoint

    path = folder / "fuzz"
    tiny = {"base_channels": 32, "channel_mult": [1], "num_res_blocks": 1, "attention_resolutions": [], "patch_size": 4}
    corpus = []
    for width in (4, 8):
        small = {"num_classes": 3, "spade_hidden": width, "ssm_channels": width, "head_channels": 16}
        save_checkpoint(path, build({**tiny, **small}))
        config = json.loads(path.with_suffix(".json").read_bytes())
        del config["weights"]  # without the hash, damage gets further
        text = json.dumps(config).encode()
        corpus.append(struct.pack(">I", len(text)) + text + path.with_suffix(".safetensors").read_bytes())

    def load(data: bytes):
        length = struct.unpack(">I", data[:4].ljust(4, b"\0"))[0]
        path.with_suffix(".json").write_bytes(data[4 : 4 + length])
        path.with_suffix(".safetensors").write_bytes(data[4 + length :])
        load_checkpoint(path)

    return load, corpus


def make_case(seed: int, index: int, found: dict) -> tuple[str, bytes]:
    """Name of the target and bytes of case `index`."""
    names = sorted(found)
    rng, name = random.Random(f"{seed}/{index}"), names[index % len(names)]
    corpus = found[name][1]
    data = bytearray(rng.choice(corpus))
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        data = mutate(rng, data, corpus, name)
    if name == "spic" and len(data) > 4 and rng.random() < 0.8:  # past the checksums
        data = bytearray(sealed_spic(bytes(data)))
    if name == "spicv" and len(data) > 5 and rng.random() < 0.8:
        data = bytearray(sealed_spicv(bytes(data)))
    if name == "png" and rng.random() < 0.8:
        data = _with_png_checksums(bytes(data))
    return name, bytes(data)


def mutate(rng: random.Random, data: bytearray, corpus: list[bytes], target: str) -> bytearray:
    """One random change; half of them hit the first 40 bytes, where sizes are."""
    if not data:
        return bytearray(rng.randbytes(rng.randrange(1, 40)))
    at = rng.randrange(min(len(data), 40) if rng.random() < 0.5 else len(data))
    span = rng.choice((1, 1, 2, 4, 16, 64))
    kind = rng.randrange(10)
    if kind == 0:
        data[at] ^= 1 << rng.randrange(8)
    elif kind == 1:
        data[at] = rng.choice(INTERESTING)
    elif kind == 2:
        data[at : at + span] = rng.randbytes(span)
    elif kind == 3:
        del data[at : at + span]
    elif kind == 4:
        data[at:at] = bytes([rng.choice(INTERESTING)]) * span
    elif kind == 5:
        data = data[:at]
    elif kind == 6:
        other = rng.choice(corpus)
        data[at:] = other[rng.randrange(len(other)) :]
    elif kind == 7:
        data[at:at] = data[at : at + span]
    elif kind == 8:
        data = bytearray(splice(rng, bytes(data), rng.choice(corpus)))
    else:
        data = bytearray(wrong_size(rng, target, bytes(data)))
    return data


def _with_png_checksums(data: bytes) -> bytearray:
    out, at = bytearray(data[:8]), 8
    while at + 12 <= len(data):
        body = data[at + 4 : at + 8 + int.from_bytes(data[at : at + 4], "big")]
        out += data[at : at + 4] + body + zlib.crc32(body).to_bytes(4, "big")
        at += 8 + len(body)
    return out


def try_case(decode, data: bytes) -> str | None:
    """What is wrong with how `decode` takes `data`, None if nothing is.

    What took too much time or memory is done again, and the second time counts: damaged bytes reach
    code that no valid file of the corpus has had compiled.
    """
    wrong = _try_once(decode, data)
    return _try_once(decode, data) if wrong and wrong.endswith((" s", " MB")) else wrong


def _try_once(decode, data: bytes) -> str | None:
    from spic.codecs.base import at_most
    from spic.errors import SpicError

    idle = _megabytes("VmRSS")
    _reset_peak()
    start, wrong = time.process_time(), None
    try:
        with at_most(MAX_PIXELS):
            decode(data)
    except SpicError:
        pass
    except Exception as error:
        wrong = f"{type(error).__name__}: {error}"
    seconds, extra = time.process_time() - start, _megabytes("VmHWM") - idle
    if wrong is None and seconds > MAX_SECONDS:
        wrong = f"{seconds:.1f} s"
    if wrong is None and extra > MAX_MEGABYTES:
        wrong = f"{extra:.0f} MB"
    return wrong


def _megabytes(field: str) -> float:
    try:
        status = Path("/proc/self/status").read_text()
        return int(status.split(f"{field}:")[1].split()[0]) / 1024
    except (OSError, IndexError):  # not Linux: memory is not watched
        return 0.0


def _reset_peak() -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass


def work(seed: int, start: int, stop: int, only: str | None) -> None:
    """The worker: a line "i" on stdout before each hundredth case and on findings, {"case", "target", "wrong"}."""
    with tempfile.TemporaryDirectory() as folder:
        found = targets(Path(folder))
        if only:
            found = {only: found[only]}
        for decode, corpus in found.values():
            for data in corpus:
                decode(data)  # valid, and compiled before anything is timed
        here, new = Path(folder) / "case", Path(folder) / "new"
        print(json.dumps({"log": str(here)}), flush=True)
        for index in range(start, stop):
            name, data = make_case(seed, index, found)
            new.write_bytes(b"%d %s\n" % (index, name.encode()) + data)
            new.replace(here)  # whenever this process dies, there is a whole case
            wrong = try_case(found[name][0], data)
            if wrong or index % 100 == 0:
                print(json.dumps({"case": index, "target": name, "wrong": wrong}), flush=True)
            if wrong:
                _keep(index, name, data)


def _keep(index: int, name: str, data: bytes) -> Path:
    FINDINGS.mkdir(exist_ok=True)
    path = FINDINGS / f"{name}-{index}"
    path.write_bytes(data)
    return path


def watch(count: int, seed: int, only: str | None, start: int = 0) -> list[dict]:
    """Run workers until all cases are done; returns the findings."""
    import selectors

    wrong, begin, first = [], start, start
    while begin < start + count:
        command = [sys.executable, __file__, "--worker", str(seed), str(begin), str(start + count), only or ""]
        worker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        log, last = None, begin
        with selectors.DefaultSelector() as selector:
            selector.register(worker.stdout, selectors.EVENT_READ)
            while selector.select(HANGS * (1 if log else 20)):
                line = worker.stdout.readline()
                if not line:
                    break
                record = json.loads(line)
                log, last = record.get("log", log), record.get("case", last)
                if record.get("wrong"):
                    wrong.append(record)
                    print(f"\r{record['target']} case {record['case']}: {record['wrong']}", flush=True)
                elif "case" in record:
                    print(f"\r{last - first} of {count}, {len(wrong)} findings", end="", flush=True)
            else:
                worker.kill()
        status = worker.wait()
        if status == 0:
            break
        if log is None or not Path(log).exists():
            sys.exit("\nthe fuzzing worker does not start")
        head, _, data = Path(log).read_bytes().partition(b"\n")
        index, name = head.decode().split()
        record = {"case": int(index), "target": name, "wrong": "hangs" if status == -9 else f"crash, status {status}"}
        wrong.append(record)
        print(f"\r{name} case {index}: {record['wrong']}; kept as {_keep(int(index), name, data)}", flush=True)
        begin = int(index) + 1
    return wrong


def main() -> None:
    if sys.argv[1:2] == ["--worker"]:
        seed, start, stop, only = sys.argv[2:6]
        work(int(seed), int(start), int(stop), only or None)
        return
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("count", type=int, nargs="?", default=2000, help="cases, over all decoders in turn")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=int, default=0, help="number of the first case")
    parser.add_argument("--only", help="one target: a codec's name, spic or weights")
    options = parser.parse_args()
    wrong = watch(options.count, options.seed, options.only, options.start)
    print(f"\n{options.count} cases, {len(wrong)} findings" + (f" in {FINDINGS}/" if wrong else ""))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
