"""HEVC still images through PyAV: libx265 for coding, FFmpeg's decoder for decoding.

x265 codes an intra image at QP = q - 3 when asked for a constant q, as in bpgenc. bpgenc's x265 (2015) weighs rate
against distortion by lambda = 2^(QP / 6 - 2) and lambda2 = 0.85 lambda^2; later versions have smaller ones and spend
3 to 11 percent more bytes at the same q. The old values are handed over in x265's `lambda-file`. **x265 keeps these
tables for the whole process**: every later x265 encode of the process, also one outside this module, runs with them.
"""

import os
import re
import tempfile
from contextlib import contextmanager
from functools import cache

import numpy as np

from spic.codecs.bpg import params
from spic.errors import BitstreamError, ConfigError
from spic.pictures.limits import MAX_PIXELS

_PIXELS_PER_BYTE = 8 * 64 * 64  # a coding unit has 64x64 pixels at most, and an intra one costs at least one raw bit
_MAX_WORK = 4 * MAX_PIXELS  # pixels that the slices of one image could make a decoder visit
_MAX_PPS = 8
_MIN_SIDE = 16  # libx265 refuses less
_SETTINGS = {
    **{"keyint": 1, "wpp": 0, "pools": "none", "frame-threads": 1, "info": 0, "log-level": "none"},
    "allow-non-conformance": 1,  # BPG has no levels: x265 may code strips that none allows (8000x24, say)
}
FORMATS = {0: "gray", 1: "yuv420p", 2: "yuv422p", 3: "yuv444p"}
_CHROMA_SHIFT = {1: (1, 1), 2: (0, 1), 3: (0, 0)}
_DEPTHS = (8, 9, 10, 12)  # of FFmpeg's decoder
_TAIL = b"\xa5" * 32  # a complete slice ends before it; one that was cut reads on into it, where it read zeros before


@cache
def versions() -> dict[str, str]:
    """Versions of PyAV, FFmpeg's codecs and x265; x265 writes its version into what it codes."""
    import av

    found = {"av": av.__version__, "libavcodec": ".".join(map(str, av.library_versions["libavcodec"]))}
    if "libx265" in av.codecs_available:
        stream = run_x265(av.VideoFrame(_MIN_SIDE, _MIN_SIDE, "gray"), {**_SETTINGS, "info": 1, "qp": 51})
        said = re.search(rb"x265 \(build (\d+)\) - ([^: ]+)", stream)
        found["x265"] = b" build ".join(said.groups()[::-1]).decode("ascii", "replace") if said else "unknown"
    return found


def encode_planes(planes: list[np.ndarray], qp: int, chroma: int) -> tuple[params.ReducedSps, bytes]:
    """Code one 8-bit image with libx265, intra only.

    Parameters
    ----------
    planes : list of numpy.ndarray
        uint8: Y (H, W) alone, or Y and both chroma planes: (ceil(H / 2), ceil(W / 2)), or (H, W) for 4:4:4.
    qp : int
        Constant quantiser 0..51 as in `bpgenc -q`; the slices get qp - 3.
    chroma : int
        chroma_format_idc: 0 gray, 1 4:2:0, 3 4:4:4.

    Returns
    -------
    (ReducedSps, bytes)
        The fields of the SPS and the payload that BPG stores.

    Notes
    -----
    One thread and no wave fronts, so the bytes do not depend on the number of cores. Images with a side of 8 pixels
    or less are coded with blocks of 16 at least, since x265 wants 16 and a BPG decoder derives the coded size by
    rounding up to the smallest block.
    """
    height, width = planes[0].shape
    block = 8 if min(height, width) > _MIN_SIDE - 8 else 16
    padded = [-(-side // block) * block for side in (height, width)]
    frame = new_frame(planes, padded, chroma)
    with lambda_setting() as lambdas:
        stream = run_x265(frame, {**_SETTINGS, "qp": qp, "min-cu-size": block, **lambdas})
    sps, payload, coded = reduce_stream(stream)
    if list(coded) != padded or sps.min_block != block.bit_length() - 1:
        raise ConfigError("this libx265 pads pictures in a way that BPG cannot express")
    return sps, payload


def reduce_stream(stream: bytes) -> tuple[params.ReducedSps, bytes, tuple[int, int]]:
    """Turn an Annex B stream of one IDR image into the SPS fields and payload of BPG, and coded (height, width)."""
    nals = params.split_nals(stream)
    kinds = [nal[0] >> 1 & 63 for nal in nals]
    sps, width, height = params.reduce_sps(nals[kinds.index(params.SPS)])
    kept = [nal for nal, kind in zip(nals, kinds, strict=True) if kind in (params.PPS, params.SUFFIX_SEI, *params.IDR)]
    return sps, _join(kept), (height, width)


def run_x265(frame, settings: dict) -> bytes:
    """Code one `av.VideoFrame` with the given x265 parameters; return its Annex B stream with headers."""
    import av

    encoder = av.CodecContext.create("libx265", "w")
    encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, frame.format.name
    encoder.framerate = 1
    encoder.options = x265_options(settings, "veryslow", "ssim")
    try:
        return b"".join(bytes(packet) for packet in (*encoder.encode(frame), *encoder.encode(None)))
    except av.FFmpegError as error:
        raise ConfigError(f"libx265 cannot code {frame.width}x{frame.height} ({error.strerror})") from None


def x265_options(settings: dict, preset: str, tune: str | None = None) -> dict[str, str]:
    """Options of an `av` encoder that hand x265 its parameters."""
    given = ":".join(f"{name}={value}" for name, value in settings.items())
    return {"preset": preset, **({"tune": tune} if tune else {}), "x265-params": given}


@contextmanager
def lambda_setting():
    """Context manager: gives the parameter that hands x265 the old lambdas, good while the encoder is opened."""
    with tempfile.TemporaryDirectory() as folder:
        table = os.path.join(folder, "lambda.txt")
        with open(table, "w") as file:
            file.write(_lambda_table())
        yield {"lambda-file": _escape(table)}


def _escape(path: str) -> str:
    """Protect what FFmpeg reads as syntax in a list of parameters."""
    return "".join("\\" + char if char in "\\:='" else char for char in path)


def _lambda_table() -> str:
    values = [2.0 ** (qp / 6 - 2) for qp in range(70)]
    return ",".join(f"{value:.9g}" for value in (*values, *(0.85 * value * value for value in values)))


def new_frame(planes: list[np.ndarray], padded, chroma: int):
    """An `av.VideoFrame` of planes as `encode_planes` takes them, right and bottom edges repeated up to `padded`."""
    import av

    frame = av.VideoFrame(padded[1], padded[0], FORMATS[chroma])
    for index, plane in enumerate(planes):
        _fill(frame.planes[index], plane, [side >> (index > 0 and chroma == 1) for side in padded])
    return frame


def _fill(target, plane: np.ndarray, padded) -> None:
    """Copy a plane into one of a frame."""
    edges = [(0, side - have) for side, have in zip(padded, plane.shape, strict=True)]
    rows = np.zeros((target.height, target.line_size), np.uint8)
    rows[: padded[0], : padded[1]] = np.pad(plane, edges, mode="edge")
    target.update(rows.tobytes())


def decode_planes(sps: bytes, payload: bytes, chroma: int, depth: int, size, layer: int = 0) -> list[np.ndarray]:
    """Decode the image of one layer.

    Parameters
    ----------
    sps : bytes
        Its reduced SPS.
    payload : bytes
        HEVC data of the file; NAL units of other layers are ignored.
    chroma, depth : int
        chroma_format_idc and bits per sample.
    size : (int, int)
        Image height and width; the planes are cropped to them.
    layer : int
        nuh_layer_id: 0 colour, 1 alpha.

    Returns
    -------
    list of numpy.ndarray
        Y, or Y, Cb, Cr: uint8, or uint16 beyond 8 bits; chroma sizes rounded up.

    Raises
    ------
    BitstreamError
        For data that ends early or is damaged as far as the decoder notices, for formats it lacks, and, before
        anything is allocated, for data too short for the size.

    Notes
    -----
    FFmpeg reads zeros past the end of a slice without an error. So the data is decoded twice, with and without extra
    bytes behind it: images that differ show that the slice was cut.
    """
    if depth not in _DEPTHS:
        raise BitstreamError(f"BPG: {depth} bits per sample are not supported")
    fields = params.parse_reduced(sps)
    coded = [-(-side // (1 << fields.min_block)) * (1 << fields.min_block) for side in size]
    nals = _check_nals(payload, layer, coded[0] * coded[1])
    headers = params.build_headers(fields, chroma, depth, coded[1], coded[0])
    planes, probe = (_run_decoder(_stream(headers, nals, tail), coded, chroma, depth) for tail in (b"", _TAIL))
    if not all(map(np.array_equal, planes, probe)):
        raise BitstreamError("BPG: picture data ends early")
    down = ((0, 0), *[_CHROMA_SHIFT.get(chroma)] * 2)
    return [
        plane[: -(-size[0] >> by[0]), : -(-size[1] >> by[1])].copy() for plane, by in zip(planes, down, strict=False)
    ]


def _check_nals(payload: bytes, layer: int, pixels: int) -> list[bytes]:
    """Keep the NAL units of a layer; refuse what a still image has no use for, and data too short for its size."""
    kept, pictures, slices, tables, total = [], 0, 0, 0, 0
    for nal in params.split_nals(payload):
        if len(nal) < 3 or (nal[0] & 1) << 5 | nal[1] >> 3 != layer:
            continue
        kind = nal[0] >> 1 & 63
        if kind in params.IDR:
            slices, total, first = slices + 1, total + len(nal), nal[2] >> 7
            pictures += first
            if pictures != 1:
                raise BitstreamError("BPG: not exactly one picture")
        elif kind == params.PPS:
            tables += 1
        elif kind == params.SUFFIX_SEI:
            pass  # checksums, which the decoder verifies
        else:
            raise BitstreamError(f"BPG: NAL unit of type {kind} in a still picture")
        kept.append(bytes((nal[0] & 0xFE, nal[1] & 7)) + nal[2:])
    if not slices or not tables or tables > _MAX_PPS:
        raise BitstreamError("BPG: no coded picture")
    if slices * pixels > min(total * _PIXELS_PER_BYTE, _MAX_WORK):
        raise BitstreamError(f"BPG: {total} bytes in {slices} slices cannot hold {pixels} pixels")
    return kept


def _stream(headers: bytes, nals: list[bytes], tail: bytes) -> bytes:
    """Annex B stream of parameter sets and NAL units, each slice followed by `tail`."""
    return headers + b"\x00\x00\x00\x01" + _join([nal + tail * (nal[0] >> 1 in params.IDR) for nal in nals])


def _run_decoder(stream: bytes, coded, chroma: int, depth: int) -> list[np.ndarray]:
    """Decode one frame to its planes at coded size."""
    import av

    decoder = av.CodecContext.create("hevc", "r")
    decoder.thread_count = 1
    decoder.options = {"err_detect": "crccheck+explode", "max_pixels": str(2 * MAX_PIXELS)}
    try:
        frames = [*decoder.decode(av.Packet(stream)), *decoder.decode(None)]
    except (av.FFmpegError, EOFError, ValueError) as error:
        raise BitstreamError(f"BPG: damaged picture data ({error})") from None
    if len(frames) != 1 or frames[0].is_corrupt:
        raise BitstreamError("BPG: damaged picture data")
    frame = frames[0]
    wanted = FORMATS[chroma] + ("" if depth == 8 else f"{depth}le")
    if (frame.height, frame.width, frame.format.name) != (*coded, wanted):
        raise BitstreamError(f"BPG: decoded {frame.width}x{frame.height} {frame.format.name}, not as the header says")
    dtype = np.dtype(np.uint8 if depth == 8 else "<u2")
    return [
        np.frombuffer(plane, dtype).reshape(plane.height, -1)[:, : plane.width]
        for plane in frame.planes[: 1 if chroma == 0 else 3]
    ]


def _join(nals: list[bytes]) -> bytes:
    """Annex B without the first start code."""
    return b"\x00\x00\x01".join(nals)
