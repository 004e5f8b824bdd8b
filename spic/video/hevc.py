"""The images of a clip as one HEVC stream: libx265 codes, FFmpeg's decoder decodes, both through PyAV.

Low delay: each image is coded when it comes, as one access unit of one slice, given those before it. Every n-th begins
anew (an IDR picture, with its parameter sets), and decoding may begin there.
"""

import numpy as np

from spic.codecs.bpg import hevc, params
from spic.errors import BitstreamError, ConfigError
from spic.video.planes import decode_one, format_name, new_decoder, padded_size, to_frame

QP_RANGE = (0, 51, 1)
_BLOCK, _LEAST = 8, 16  # libx265 refuses shorter sides
_LOW_DELAY = {
    **{"bframes": 0, "rc-lookahead": 0, "scenecut": 0, "open-gop": 0, "repeat-headers": 1, "wpp": 0, "pools": "none"},
    **{"frame-threads": 1, "info": 0, "log-level": "none", "allow-non-conformance": 1},
}
# Colour and x265's parameters for coarse images (colour in full, as single ones have it; small blocks; all bits for
# PSNR), and for whole ones, as it is by itself.
COARSE = {"chroma": "444", "preset": "veryslow", "ctu": 16, "psy-rd": 0, "psy-rdoq": 0, "aq-mode": 0}
WHOLE = {"chroma": "420", "preset": "slow"}
_SETS = [params.VPS, params.SPS, params.PPS]
_PICTURES = {0, 1, *params.IDR}  # NAL unit types: predicted pictures, and such that begin anew


class HevcEncoder:
    """Codes images in the order of a clip.

    Parameters
    ----------
    size : (int, int)
        Height and width.
    qp : int
        Quantiser of predicted pictures, 0 (best) to 51.
    every : int
        Every `every`-th picture begins anew.
    parameters : dict
        `COARSE` or `WHOLE`.
    """

    def __init__(self, size: tuple[int, int], qp: int, every: int, parameters: dict = COARSE):
        import av

        if isinstance(qp, bool) or not isinstance(qp, (int, np.integer)) or not QP_RANGE[0] <= qp <= QP_RANGE[1]:
            raise ConfigError(f"qp must be a whole number from {QP_RANGE[0]} to {QP_RANGE[1]}, got {qp!r}")
        self.size, self._padded, self._count = tuple(size), padded_size(size, _BLOCK, _LEAST), 0
        self._encoder = av.CodecContext.create("libx265", "w")
        self._encoder.height, self._encoder.width = self._padded
        self._settings = {**_LOW_DELAY, **parameters, "qp": int(qp), "keyint": every, "min-keyint": every}
        self._chroma, self._preset = self._settings.pop("chroma"), self._settings.pop("preset")
        self._encoder.pix_fmt, self._encoder.framerate = format_name(self._chroma), 30

    def encode(self, image: np.ndarray) -> bytes:
        """Code the next image, uint8 (H, W, 3): one access unit; the same on every machine with the same libx265.

        `DataError` for another array or size.
        """
        import av

        frame = to_frame(image, self.size, self._padded, self._count, self._chroma)
        self._count += 1
        try:
            if self._count > 1:
                packets = self._encoder.encode(frame)
            else:
                with hevc.lambda_setting() as lambdas:  # or what the process coded before would matter
                    self._encoder.options = hevc.x265_options({**self._settings, **lambdas}, self._preset)
                    packets = self._encoder.encode(frame)
        except av.FFmpegError as error:
            raise ConfigError(f"libx265 cannot code {self.size[1]}x{self.size[0]} ({error.strerror})") from None
        if len(packets) != 1:
            raise ConfigError("this libx265 does not code an image at once")
        return bytes(packets[0])


class HevcDecoder:
    """Decodes what a `HevcEncoder` coded, in the same order; it may begin where a picture begins anew.

    Parameters
    ----------
    size : (int, int)
        Height and width of the images.
    parameters : dict
        What the encoder was given.
    """

    def __init__(self, size: tuple[int, int], parameters: dict = COARSE):
        self.size, self._padded, self._decoder = tuple(size), padded_size(size, _BLOCK, _LEAST), None
        self._chroma = parameters["chroma"]

    def decode(self, data: bytes) -> np.ndarray:
        """The next image, uint8 (H, W, 3); the same on every machine.

        Raises
        ------
        BitstreamError
            The bytes are damaged as far as HEVC shows it, hold more or less than one picture or one of another size, or
            build on one that was not decoded. After that only a picture that begins anew can be decoded.
        """
        decoder, self._decoder = self._decoder, None
        if begins_anew(data):
            decoder = new_decoder("hevc", self._padded, flags="low_delay", err_detect="crccheck+explode")
        if decoder is None:
            raise BitstreamError("HEVC: it builds on a picture that is not there")
        image = decode_one(decoder, data, self.size, self._padded, "HEVC", self._chroma)
        self._decoder = decoder
        return image


def begins_anew(data: bytes) -> bool:
    """Whether an access unit does; `BitstreamError` unless it is one picture of one slice, and nothing else."""
    nals = params.split_nals(data)
    if not nals or any(len(nal) < 3 or nal[0] & 0x81 or nal[1] >> 3 for nal in nals):
        raise BitstreamError("HEVC: damaged NAL units")
    kinds = [nal[0] >> 1 for nal in nals]
    anew = kinds[-1] in params.IDR
    if kinds[-1] not in _PICTURES or kinds[:-1] != _SETS * anew or not nals[-1][2] & 0x80:
        raise BitstreamError("HEVC: not one picture of one slice")
    return anew
