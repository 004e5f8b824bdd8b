"""JPEG 2000 at a target rate, through Pillow's OpenJPEG.

Settings as good practice has them: irreversible 9/7 wavelet, up to six resolutions, the multi-component transform, one
quality layer cut at the rate. The output is the bare codestream (J2K, ITU-T T.800 annex A) without the JP2 boxes and
without OpenJPEG's comment, so that nothing but coded image counts at low rates.
"""

import io
import struct

import numpy as np
from PIL import Image

from spic.codecs.base import Codec, check_array, check_bytes, check_size
from spic.codecs.pillow import pillow_versions, quiet
from spic.errors import BitstreamError, ConfigError

_SOC_SIZ = b"\xff\x4f\xff\x51"
_EOC = b"\xff\xd9"
_SOT, _COMMENT = 0xFF90, 0xFF64
_RESOLUTIONS = 6
_ATTEMPTS = 8
_CLOSE = 0.99  # of the byte budget: good enough to stop


class Jpeg2000Codec(Codec):
    """JPEG 2000; `bpp` is the highest rate that the codestream may have, in bits per pixel of the image."""

    name = "jpeg2000"
    kind = "picture"
    extension = "j2k"
    quality_name = "bpp"
    quality_range = (0.001, 24, 0)

    def versions(self) -> dict[str, str]:
        return super().versions() | pillow_versions("jpg_2000")

    def encode(self, image: np.ndarray, bpp: float = 0.25) -> bytes:
        """Code an image in at most, and close to, `bpp` bits per pixel.

        Parameters
        ----------
        image : numpy.ndarray
            uint8 sRGB (H, W, 3) or gray (H, W, 1).
        bpp : float
            Rate 0.001 to 24; above what the finest quantisation needs the result stays below it.

        Returns
        -------
        bytes
            J2K codestream.

        Raises
        ------
        ConfigError
            Where the headers alone take more than `bpp`: the rate is unreachable.
        """
        image = check_array(image, (1, 3))
        self.check_quality(bpp)
        budget = int(bpp * image.shape[0] * image.shape[1] / 8)
        best = _compress(image, 0)
        if len(best) <= budget:
            return best
        best, low, high, request = b"", 0, len(best), budget
        for _ in range(_ATTEMPTS):
            data = _compress(image, request)
            if len(data) <= budget:
                best, low = max(best, data, key=len), request
                high = max(high, request + 1)
            else:
                high = request
            if len(best) >= _CLOSE * budget:
                break
            # OpenJPEG misses a requested size by a few bytes only: first correct by the miss, then halve.
            step = request + budget - len(data)
            request = step if low < step < high else (low + high) // 2
            if request <= low:
                break
        best = best or _compress(image, 1)
        if len(best) > budget:
            raise ConfigError(f"JPEG 2000 cannot code {image.shape[1]}x{image.shape[0]} pixels at {bpp} bpp")
        return best

    def decode(self, data: bytes) -> np.ndarray:
        """Decode a J2K codestream of one tile with 8-bit gray or RGB samples.

        Returns
        -------
        numpy.ndarray
            uint8 (H, W, 3) or (H, W, 1).

        Raises
        ------
        BitstreamError
            For damaged data, JP2 boxes, tiles, sub-sampling and other depths.
        """
        data = check_bytes(data)
        height, width, channels = _read_header(data)
        try:
            with quiet(), Image.open(io.BytesIO(data), formats=["JPEG2000"]) as picture:
                image = np.array(picture)
        except (OSError, ValueError, SyntaxError, MemoryError, struct.error, Image.DecompressionBombError) as error:
            raise BitstreamError(f"JPEG 2000: {error}") from None
        if image.dtype != np.uint8 or image.size != height * width * channels:
            raise BitstreamError("JPEG 2000: the picture is not as its header says")
        return image.reshape(height, width, channels)


def _compress(image: np.ndarray, size: int) -> bytes:
    """Code to about `size` bytes; 0 means no limit."""
    out = io.BytesIO()
    Image.fromarray(image.squeeze(2) if image.shape[2] == 1 else image).save(
        out,
        "JPEG2000",
        quality_mode="rates",
        quality_layers=[image.size / size if size else 1],
        irreversible=True,
        mct=int(image.shape[2] == 3),
        num_resolutions=min(_RESOLUTIONS, min(image.shape[:2]).bit_length()),
        no_jp2=True,
    )
    return _drop_comments(out.getvalue())


def _drop_comments(data: bytes) -> bytes:
    """Remove the comment segments of the main header."""
    kept, position = [data[:2]], 2
    while (marker := int.from_bytes(data[position : position + 2], "big")) != _SOT:
        end = position + 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        if marker != _COMMENT:
            kept.append(data[position:end])
        position = end
    return b"".join((*kept, data[position:]))


def _read_header(data: bytes) -> tuple[int, int, int]:
    """Return height, width and channels of the SIZ segment; refuse what the decoder does not take."""
    if data[:4] != _SOC_SIZ:
        raise BitstreamError("not a JPEG 2000 codestream")
    if data[-2:] != _EOC:
        raise BitstreamError("JPEG 2000: file ends early")
    try:
        right, bottom, left, top, *tile, channels = struct.unpack_from(">8IH", data, 8)
        parts = [struct.unpack_from(">3B", data, 42 + 3 * index) for index in range(min(channels, 4))]
    except struct.error:
        raise BitstreamError("JPEG 2000: file ends early") from None
    if channels not in (1, 3) or any(part != (7, 1, 1) for part in parts):
        raise BitstreamError("JPEG 2000: only 8-bit gray and RGB without sub-sampling are supported")
    if left or top or tile[2] or tile[3] or tile[0] < right or tile[1] < bottom:
        raise BitstreamError("JPEG 2000: tiles and offsets are not supported")
    check_size(right, bottom, "JPEG 2000")
    return bottom, right, channels
