"""Clips in `spic encode`, `spic decode` and `spic info`: videos and folders of frames to `.spicv` files and back."""

import sys
from contextlib import contextmanager
from pathlib import Path

from spic.cli import files
from spic.cli.common import complain, decoder_of, progress, report
from spic.errors import BitstreamError, ConfigError, DataError
from spic.files import atomic_folder, atomic_path, is_stream

VIDEOS = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".y4m", ".mpg", ".mpeg", ".ts")
CODED = ".spicv"


def is_clip(inputs: list[str], output: str | None) -> bool:
    """Whether `spic encode` is asked to code clips; `ConfigError` where images and videos are mixed."""
    if output is not None and Path(output).suffix.lower() == CODED:
        return True
    return _all_or_none(inputs, [_suffix(name) in VIDEOS for name in inputs], "videos")


def is_coded_clip(inputs: list[str], output: str | None = None) -> bool:
    """Whether `spic decode` is given `.spicv` files; stdin is looked into, without taking from it."""
    if output is not None and Path(output).suffix.lower() in VIDEOS:
        return True
    coded = [_suffix(name) == CODED or (name == "-" and _stdin_begins_with(b"SPCV")) for name in inputs]
    return _all_or_none(inputs, coded, f"{CODED} files")


def check_settings(ssm_codec, simplify, coarse_codec, target_bpp, native) -> None:
    """`ConfigError` for options of `spic encode` that clips do not have."""
    given = {
        "--ssm-codec": ssm_codec not in ("flif", "labelmap"),
        "--coarse-codec": coarse_codec not in ("bpg", "hevc"),
        "--simplify": simplify,
        "--target-bpp": target_bpp is not None,
        "--native": native,
    }
    for option, refused in given.items():
        if refused:
            raise ConfigError(f"{option} is for images: a clip has labelmap, HEVC and a QP of its own (--quality)")


def encode(inputs, output, transmitter, coding: dict, rate, force: bool, as_json: bool) -> None:
    """Code each input as a `.spicv` file; nothing is left of one that fails or is interrupted."""
    from spic.pictures.clips import open_clip
    from spic.video.transmitter import ClipTransmitter

    if rate is not None and not 0 < rate <= 1000:
        raise ConfigError(f"--rate {rate}: expected frames per second above 0, at most 1000")
    sources = [files.STDIO if name == "-" else Path(name) for name in inputs]
    targets = files.find_targets([], sources, output, CODED, force)
    coder = ClipTransmitter(**{key: value for key, value in coding.items() if value is not None}, sender=transmitter)

    def work(source):
        given = sys.stdin.buffer if source == files.STDIO else source
        with open_clip(given, rate) as clip, _written(targets[source]) as file:
            sizes = []
            with progress("coding frames", clip.count if len(sources) == 1 else 0) as step:
                for frame in coder.encode(clip.images, file, clip.rate):
                    sizes.append(_sizes(frame))
                    step(frame)
            record = _summary(sizes, coder.head.size, clip.rate)
        record = {"input": str(source), "output": str(targets[source]), **record}
        line = "{output}: {frames} frames, {bpp:.4f} bpp, {kbps:.1f} kbit/s "
        line += "(SSMs {ssm_bytes}, coarse {coarse_bytes} bytes)"
        report(record, line.format(**record), as_json, targets[source] == files.STDIO)

    files.for_each("encoding", sources, work)


def decode(
    inputs, output, receiver, part: str, first: int, partial: bool, steady: bool, force: bool, as_json: bool
) -> None:
    """Rebuild each `.spicv` file as a video, or as PNG files where OUT is a folder.

    With `partial` what came before a cut or damage is kept; else nothing is.
    """
    from spic.video.receiver import ClipReceiver

    folder = output is not None and (output.endswith("/") or Path(output).is_dir()) and len(inputs) == 1
    if part == "ssm" and not folder:
        raise ConfigError("--part ssm: exact maps fit into PNG files only: give a folder with --output")
    sources = [files.STDIO if name == "-" else Path(name) for name in inputs]
    if folder:
        targets = {sources[0]: Path(output)}
        if not force and Path(output).is_dir() and any(Path(output).iterdir()):
            raise ConfigError(f"{output}: is not empty; --force replaces it")
    else:
        targets = files.find_targets([], sources, output, ".mp4", force)
        for target in targets.values():
            if target != files.STDIO and not is_stream(target) and target.suffix.lower() not in VIDEOS:
                raise ConfigError(f"{target}: no video format has the suffix {target.suffix or '(none)'}")
    clips = ClipReceiver(receiver, steady)

    def work(source):
        with _opened(source) as file:
            clip = clips.open(file)
            notes = clips.receiver.notes_on(clip.head) if part == "picture" else []
            for note in notes:
                complain(DataError(f"{source}: {note}"))
            if first and not file.seekable():
                raise ConfigError("--first: a pipe can not be searched; give a file")
            images = _images(clips, clip, part, first)
            with _sink(targets[source], folder, clip.rate) as write:
                count = 0
                try:
                    with progress("decoding frames", None if len(sources) == 1 else 0) as step:
                        for image in images:
                            write(image, first + count)
                            count += 1
                            step(image)
                except BitstreamError as error:
                    if not partial or not count:
                        raise
                    complain(DataError(f"{source}: {error}; {count} frames are kept"))
                if not count:
                    raise DataError(f"no frame {first}: the clip ends before it")
        record = {"input": str(source), "output": str(targets[source]), "frames": count, "notes": notes}
        report(record, f"{targets[source]}: {count} frames", as_json, targets[source] == files.STDIO)

    files.for_each("decoding", sources, work)


def info(source: Path, max_pixels: int, as_json: bool) -> None:
    """Say what a `.spicv` file holds."""
    from spic.video.container import ClipReader

    with _opened(source) as file:
        clip, alone = ClipReader(file, max_pixels), 0
        sizes = []
        for frame in clip:
            alone += frame.alone
            sizes.append(_sizes(frame))
    head = clip.head
    (height, width), (working_height, working_width) = head.original_size, head.size
    record = {"width": width, "height": height, "working_width": working_width, "working_height": working_height}
    record |= {**_summary(sizes, head.size, clip.rate), "alone": alone, "label_space": head.label_space}
    name, known = decoder_of(head.weights_id)
    record |= {"weights_id": head.weights_id, "decoder": name, "seed": head.seed}
    record["sampling"] = head.sampling and head.sampling.to_dict()
    line = (
        "{0}: {frames} frames, {width}x{height}, coded at {working_width}x{working_height}, {rate:.3g} per second\n"
        "  rate         {bpp:.4f} bpp, {kbps:.1f} kbit/s, without the container\n"
        "  SSMs         {ssm_bytes} bytes, labelmap, {label_space}\n"
        "  coarse       {coarse_bytes} bytes, hevc\n"
        "  entries      {alone} frames that build on none before\n"
        "  decoder      {weights_id}{known}"
    )
    report({"input": str(source), **record}, line.format(source, known=known, **record), as_json)


def _sizes(frame) -> tuple[int, int]:
    """Bytes of the SSM and of the coarse image of a `CodedFrame`."""
    return len(frame.ssm or b""), len(frame.coarse)


def _summary(sizes, size, rate) -> dict:
    """Rates of a clip's payloads."""
    ssm, coarse = (sum(one[part] for one in sizes) for part in (0, 1))
    bits = 8 * (ssm + coarse) / max(len(sizes), 1)
    rates = {"bpp": bits / (size[0] * size[1]), "kbps": bits * float(rate) / 1000}
    return {"frames": len(sizes), "rate": float(rate), **rates, "ssm_bytes": ssm, "coarse_bytes": coarse}


def _images(clips, clip, part: str, first: int):
    if part == "picture":
        return clips.rebuild(clip, first)
    if part == "preview":
        return clips.preview(clip, first)
    return (getattr(parts, part) for parts in clips.parts(clip, first))


@contextmanager
def _opened(source: Path):
    if source == files.STDIO:
        yield sys.stdin.buffer
    else:
        with source.open("rb") as file:
            yield file


@contextmanager
def _written(target: Path):
    """An open binary file that becomes `target` if all goes well; stdout as it goes."""
    if target == files.STDIO:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with atomic_path(target) as temporary, temporary.open("wb") as file:
        yield file


@contextmanager
def _sink(target: Path, folder: bool, rate):
    """A function that takes an image and its number, for a video or a folder of PNG files."""
    if folder:
        with atomic_folder(target) as temporary:
            yield lambda image, number: files.write_picture_to(temporary / f"{number:06d}.png", image)
        return
    from spic.pictures.clips import VideoWriter

    with _written(target) as file:
        suffix = "" if target == files.STDIO or is_stream(target) else target.suffix
        writer = VideoWriter(file, suffix, rate)
        yield lambda image, number: writer.write(image)
        writer.close()


def _all_or_none(inputs, found: list[bool], what: str) -> bool:
    if any(found) and not all(found):
        other = inputs[found.index(False)]
        raise ConfigError(f"{other}: {what} and others do not go together: give them one after the other")
    return all(found) and bool(found)


def _suffix(name: str) -> str:
    return "" if name == "-" else Path(name).suffix.lower()


def _stdin_begins_with(magic: bytes) -> bool:
    peek = getattr(sys.stdin.buffer, "peek", None)
    return peek is not None and peek(len(magic))[: len(magic)] == magic
