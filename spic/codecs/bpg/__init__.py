"""BPG: real .bpg files, written with libx265 and read with FFmpeg's HEVC decoder, both through PyAV."""

import numpy as np

from spic.codecs.base import Codec, check_array, check_bytes
from spic.codecs.bpg import colour, container, hevc, params
from spic.errors import BitstreamError, ConfigError

__all__ = ["BpgCodec", "decode_planes"]
_CHROMA = {container.YCC420_COSITED: 1, container.YCC422_COSITED: 2}  # chroma_format_idc where it is not pixel_format
_NAMES = ("Y", "Cb", "Cr")


class BpgCodec(Codec):
    """BPG still images. `qp` (0..51, low is good) means what `bpgenc -q` with x265 means: the slices get qp - 3."""

    name = "bpg"
    kind = "picture"
    extension = "bpg"
    quality_name = "qp"
    max_side = 131056  # 2^17, whole blocks of 16: what our reader takes
    quality_range = (0, 51, 1)

    def versions(self) -> dict[str, str]:
        return super().versions() | hevc.versions()

    def encode(self, image: np.ndarray, qp: int = 35, chroma: str = "420") -> bytes:
        """Code an image as 8-bit BT.601 full-range YCbCr, or as gray.

        Parameters
        ----------
        image : numpy.ndarray
            uint8 (H, W, 3) sRGB or (H, W, 1) gray, any size from 1x1.
        qp : int
            Quantiser 0..51.
        chroma : str
            "420" or "444", as in `bpgenc -f`: colour at half of height and width, or in full.

        Returns
        -------
        bytes
            A .bpg file; the same on every machine with the same libx265.
        """
        image = check_array(image, (1, 3))
        self.check_sides(*image.shape[:2])
        if self.check_quality(qp) != int(qp):
            raise ConfigError(f"qp must be a whole number, got {qp}")
        if chroma not in colour.FROM_RGB:
            raise ConfigError(f"chroma must be 420 or 444, got {chroma!r}")
        pixel_format, convert = colour.FROM_RGB[chroma]
        if image.shape[2] == 1:
            pixel_format, planes = container.GRAY, [image[:, :, 0]]
        else:
            planes = convert(image)
        sps, payload = hevc.encode_planes(planes, int(qp), pixel_format)
        header = container.Header(
            width=image.shape[1],
            height=image.shape[0],
            pixel_format=pixel_format,
        )
        return container.write_file(container.BpgFile(header, params.write_reduced(sps), payload))

    def encode_coarse(self, image: np.ndarray, **quality) -> bytes:
        """Code a coarse image, its colour in full.

        At half of height and width one colour would be left for 8x8 pixels of the image that is rebuilt, more than a
        lamp has, and that saves 1 % (QP 45) to 11 % (QP 25) of the bytes (docs/decoder.md).
        """
        return self.encode(image, chroma="444", **quality)

    def decode(self, data: bytes) -> np.ndarray:
        """Decode a BPG still image.

        Parameters
        ----------
        data : bytes
            A .bpg file, of any encoder. An animation gives its first image only if that is all it holds.

        Returns
        -------
        numpy.ndarray
            uint8 sRGB (H, W, 3), or (H, W, 4) with straight alpha; gray is repeated in all three.

        Raises
        ------
        BitstreamError
            For damaged files as far as HEVC shows it (the format has no checksum: a flipped bit may just look bad), and
            for CMYK, premultiplied alpha, co-sited chroma, YCgCo, and depths of 11, 13 and 14 bits.
        """
        file = container.read_file(check_bytes(data))
        header = file.header
        if header.cmyk or header.premultiplied:
            raise BitstreamError("BPG: CMYK and premultiplied alpha are not supported")
        planes = _decode_file(file)
        rgb = colour.to_rgb([planes[name] for name in _NAMES if name in planes], header)
        if "A" not in planes:
            return rgb
        return np.dstack((rgb, colour.to_alpha(planes["A"], header)))


def decode_planes(data: bytes) -> dict[str, np.ndarray]:
    """Decode a BPG file to its planes as coded, before any chroma interpolation or colour conversion.

    Returns
    -------
    dict of str to numpy.ndarray
        "Y", for colour "Cb" and "Cr" (ceil-halved where sub-sampled), with alpha (or CMYK's W) "A"; uint8, uint16
        beyond 8 bits; cropped to the image.

    Raises
    ------
    BitstreamError
        For damaged files.
    """
    return _decode_file(container.read_file(check_bytes(data)))


def _decode_file(file: container.BpgFile) -> dict[str, np.ndarray]:
    header = file.header
    size = header.height, header.width
    chroma = _CHROMA.get(header.pixel_format, header.pixel_format)
    planes = hevc.decode_planes(file.sps, file.payload, chroma, header.depth, size)
    named = dict(zip(_NAMES, planes, strict=False))
    if file.alpha_sps is not None:
        named["A"] = hevc.decode_planes(file.alpha_sps, file.payload, 0, header.depth, size, layer=1)[0]
    return named
