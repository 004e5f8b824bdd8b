"""Images to frames of PyAV and back, in the colours of our BPG codec: exact integers, full range."""

import numpy as np

from spic.codecs.base import check_array
from spic.codecs.bpg import colour, hevc
from spic.codecs.bpg.container import YCC420, YCC444, Header
from spic.errors import BitstreamError, DataError

YUV420, YUV444 = "yuv420p", "yuv444p"  # PyAV's names of colour at half of height and width, and in full
_KINDS = {YUV420: (YCC420, colour.to_ycc420), YUV444: (YCC444, colour.to_ycc444)}


def padded_size(size: tuple[int, int], block: int, least: int) -> list[int]:
    """Height and width rounded up to whole blocks, at least `least`."""
    return [max(least, -(-side // block) * block) for side in size]


def to_frame(image: np.ndarray, size: tuple[int, int], padded, number: int, kind: str = YUV420):
    """An `av.VideoFrame` of an image, uint8 (H, W, 3), of a kind, `YUV420` or `YUV444`; its time is `number`.

    Its edges are repeated up to `padded`.
    `DataError` for another array, or one that has not the height and width `size`.
    """
    import av

    image = check_array(image, (3,))
    if image.shape[:2] != size:
        raise DataError(f"an image of {image.shape[:2]} in a clip of {size}")
    frame = av.VideoFrame(padded[1], padded[0], kind)
    _, convert = _KINDS[kind]
    for index, plane in enumerate(convert(image)):
        hevc.fill(frame.planes[index], plane, [side >> (index > 0 and kind == YUV420) for side in padded])
    frame.pts = number
    return frame


def new_decoder(name: str, padded, **options):
    """One of FFmpeg's decoders, on one thread; it refuses frames larger than `padded` with FFmpeg's margins."""
    import av

    decoder = av.CodecContext.create(name, "r")
    decoder.thread_count = 1
    decoder.options = {**options, "max_pixels": str((padded[0] + 128) * (padded[1] + 128))}
    return decoder


def decode_one(decoder, data: bytes, size: tuple[int, int], padded, what: str, kind: str = YUV420) -> np.ndarray:
    """The image, uint8 (H, W, 3), of the one frame that some bytes hold.

    `BitstreamError` for damage as far as the decoder notices, more or fewer frames, or one not of `padded` and `kind`.
    """
    import av

    try:
        frames = decoder.decode(av.Packet(data))
    except (av.FFmpegError, EOFError, ValueError) as error:
        raise BitstreamError(f"{what}: damaged ({error})") from None
    if len(frames) != 1 or frames[0].is_corrupt:
        raise BitstreamError(f"{what}: damaged")
    (frame,) = frames
    if (frame.height, frame.width, frame.format.name) != (*padded, kind):
        found = f"{frame.width}x{frame.height} {frame.format.name}"
        raise BitstreamError(f"{what}: decoded {found}, where {padded[1]}x{padded[0]} was expected")
    header, planes = Header(size[1], size[0], _KINDS[kind][0]), []
    for index, plane in enumerate(frame.planes):
        down = header.shift if index else (0, 0)
        rows = np.frombuffer(plane, np.uint8).reshape(plane.height, -1)
        planes.append(rows[tuple(slice(-(-side >> by)) for side, by in zip(size, down, strict=True))].copy())
    return colour.to_rgb(planes, header)
