"""Images to frames of PyAV and back, in the colours of our BPG codec: exact integers, full range."""

import numpy as np

from spic.codecs.base import check_array
from spic.codecs.bpg import colour, hevc
from spic.codecs.bpg.container import Header
from spic.errors import BitstreamError, DataError


def padded_size(size: tuple[int, int], block: int, least: int) -> list[int]:
    """Height and width rounded up to whole blocks, at least `least`."""
    return [max(least, -(-side // block) * block) for side in size]


def format_name(chroma: str) -> str:
    """PyAV's name of frames with their colour at half of height and width, "420", or in full, "444"."""
    return hevc.FORMATS[colour.FROM_RGB[chroma][0]]


def to_frame(image: np.ndarray, size: tuple[int, int], padded, number: int, chroma: str = "420"):
    """An `av.VideoFrame` of an image, uint8 (H, W, 3), its edges repeated up to `padded`; its time is `number`.

    `DataError` for another array, or one that has not the height and width `size`.
    """
    image = check_array(image, (3,))
    if image.shape[:2] != size:
        raise DataError(f"an image of {image.shape[:2]} in a clip of {size}")
    pixel_format, convert = colour.FROM_RGB[chroma]
    frame = hevc.new_frame(convert(image), padded, pixel_format)
    frame.pts = number
    return frame


def new_decoder(name: str, padded, **options):
    """One of FFmpeg's decoders, on one thread; it refuses frames larger than `padded` with FFmpeg's margins."""
    import av

    decoder = av.CodecContext.create(name, "r")
    decoder.thread_count = 1
    decoder.options = {**options, "max_pixels": str((padded[0] + 128) * (padded[1] + 128))}
    return decoder


def decode_one(decoder, data: bytes, size: tuple[int, int], padded, what: str, chroma: str = "420") -> np.ndarray:
    """The image, uint8 (H, W, 3), of the one frame that some bytes hold.

    `BitstreamError` for damage as far as the decoder notices, more or fewer frames, or another size or `chroma`.
    """
    import av

    try:
        frames = decoder.decode(av.Packet(data))
    except (av.FFmpegError, EOFError, ValueError) as error:
        raise BitstreamError(f"{what}: damaged ({error})") from None
    if len(frames) != 1 or frames[0].is_corrupt:
        raise BitstreamError(f"{what}: damaged")
    (frame,) = frames
    found = f"{frame.width}x{frame.height} {frame.format.name}"
    wanted = f"{padded[1]}x{padded[0]} {format_name(chroma)}"
    if found != wanted:
        raise BitstreamError(f"{what}: decoded {found}, where {wanted} was expected")
    header, planes = Header(size[1], size[0], colour.FROM_RGB[chroma][0]), []
    for index, plane in enumerate(frame.planes):
        down = header.shift if index else (0, 0)
        rows = np.frombuffer(plane, np.uint8).reshape(plane.height, -1)
        planes.append(rows[tuple(slice(-(-side >> by)) for side, by in zip(size, down, strict=True))].copy())
    return colour.to_rgb(planes, header)
