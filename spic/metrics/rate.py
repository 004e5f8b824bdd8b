"""Rate: how many bits a coded image costs, and a second of a clip."""

from spic.errors import DataError


def bpp(num_bytes: int, height: int, width: int) -> float:
    """Bits per pixel (BPP) of the full-size image.

    Parameters
    ----------
    num_bytes : int
        Size of the coded file or payload, in bytes, at least 0.
    height, width : int
        Size of the image that is sent, in pixels: 256 and 512 in the paper, also for the bytes of the coarse
        64x128 image, so that the parts of one image add up.

    Returns
    -------
    float
        8 * num_bytes / (height * width), in bit per pixel.

    Raises
    ------
    DataError
        The size of the file is negative or the image is empty.
    """
    if num_bytes < 0 or height <= 0 or width <= 0:
        raise DataError(f"no rate for {num_bytes} bytes and a {height}x{width} picture")
    return 8 * num_bytes / (height * width)


def kbps(bits_per_pixel, height: int, width: int, frame_rate: float):
    """Rate of a clip, in kbit/s (1000 bits per second).

    Parameters
    ----------
    bits_per_pixel : float or array of float
        As `bpp` gives it, mean of the clip's frames.
    height, width : int
        Size of a frame, in pixels.
    frame_rate : float
        Frames per second, above 0.

    Returns
    -------
    float or array of float
        bits_per_pixel * height * width * frame_rate / 1000.
    """
    return bits_per_pixel * (height * width * frame_rate / 1000)
