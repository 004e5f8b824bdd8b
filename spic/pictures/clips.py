"""Clips on disk: video files through PyAV, and folders of images."""

import io
import shutil
import tempfile
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from spic.errors import DataError
from spic.files import IMAGES, files_in
from spic.pictures.limits import MAX_PIXELS
from spic.pictures.reading import read_picture

FOLDER_RATE = Fraction(25)  # frames per second of a folder, unless told otherwise
# Formats that are one file: no playlists, which may name other files and addresses.
_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,yuv4mpegpipe,mpeg,mpegts,ivf,hevc,h264,obu"
_MUXERS = {  # by suffix; mp4 for all others
    "": "matroska",
    ".y4m": "yuv4mpegpipe",
    ".mkv": "matroska",
    ".webm": "webm",
    ".avi": "avi",
    ".mov": "mov",
    ".ts": "mpegts",
    ".mpg": "mpeg",
    ".mpeg": "mpeg",
}
_CRF = "12"  # of the files written: as good as it looks


@dataclass(frozen=True)
class Clip:
    """Frames of a clip.

    Attributes
    ----------
    rate : Fraction
        Frames per second.
    count : int or None
        How many frames there are, where the file says so.
    images : iterator of numpy.ndarray
        uint8 sRGB (H, W, 3).
    """

    rate: Fraction
    count: int | None
    images: object


@contextmanager
def open_clip(source, rate=None):
    """Context manager: the `Clip` of a video file, of an open binary file, or of a folder of images.

    Parameters
    ----------
    source : path-like or binary file
        A folder's images come in the order of their names.
    rate : number or Fraction, optional
        Frames per second; by default what the file says, for a folder 25.

    Raises
    ------
    DataError
        No video, no images, or damaged ones; frames of more pixels than `spic.pictures.limits.MAX_PIXELS`.
    """
    if not hasattr(source, "read") and Path(source).is_dir():
        paths = files_in(source, IMAGES)
        if not paths:
            raise DataError(f"{source}: no images in this folder")
        yield Clip(Fraction(rate or FOLDER_RATE), len(paths), map(read_picture, paths))
        return
    import av

    opened = nullcontext(source) if hasattr(source, "read") else open(source, "rb")
    try:
        with opened as file, av.open(_Plain(file), options={"format_whitelist": _FORMATS}) as container:
            if not container.streams.video:
                raise DataError("there is no video in it")
            stream = container.streams.video[0]
            stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
            found = Fraction(rate or stream.average_rate or stream.guessed_rate or FOLDER_RATE)
            yield Clip(found.limit_denominator(1001), stream.frames or None, _frames(container, stream))
    except (av.FFmpegError, EOFError, ValueError) as error:
        raise DataError(f"not a video that can be read ({getattr(error, 'strerror', None) or error})") from None


def _frames(container, stream):
    """The frames upright, as uint8 (H, W, 3)."""
    for frame in container.decode(stream):
        image = frame.to_ndarray(format="rgb24")
        yield np.ascontiguousarray(np.rot90(image, round(frame.rotation / 90) % 4)) if frame.rotation else image


class VideoWriter:
    """Writes images as a video: H.264 of high quality (4:2:0, or 4:4:4 where a side is odd); raw 4:2:0 as .y4m.

    Parameters
    ----------
    target : path-like or binary file
        Of a file only `write` is used.
    suffix : str
        Says the format, of a video file; "" means Matroska.
    rate : Fraction
        Frames per second.
    """

    def __init__(self, target, suffix: str, rate: Fraction):
        import av

        muxer = _MUXERS.get(suffix.lower(), "mp4")
        self._raw, self._rate, self._stream = muxer == "yuv4mpegpipe", rate, None
        self._codec = "rawvideo" if self._raw else "libvpx-vp9" if muxer == "webm" else "libx264"
        self._container = av.open(target, "w", format=muxer)

    def write(self, image: np.ndarray) -> None:
        """Append an image, uint8 (H, W, 3); `DataError` where the format can not hold it."""
        import av

        height, width = image.shape[:2]
        try:
            if self._stream is None:
                odd = (height % 2 or width % 2) and not self._raw
                self._stream = self._container.add_stream(self._codec, self._rate)
                self._stream.height, self._stream.width = height, width
                self._stream.pix_fmt = "yuv444p" if odd else "yuv420p"
                if not self._raw:
                    self._stream.options = {"crf": _CRF}
            self._container.mux(self._stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        except av.FFmpegError as error:
            raise DataError(f"the video can not be written ({error.strerror})") from None

    def close(self) -> None:
        """Write what is left."""
        if self._stream is not None:
            self._container.mux(self._stream.encode(None))
        self._container.close()


class _Plain(io.RawIOBase):
    """A binary file as FFmpeg wants it: one that says whether it can seek, whatever `file` has.

    The index of an .mp4 may stand at its end; so one that comes through a pipe goes to a temporary file first.
    """

    def __init__(self, file):
        self._file, self._head = file, b""
        try:
            self._seekable = file.seekable()
        except (AttributeError, OSError):
            self._seekable = False
        if self._seekable:
            return
        self._head = file.read(12)
        if self._head[4:8] == b"ftyp":
            self._file, self._seekable = tempfile.TemporaryFile(), True
            self._file.write(self._head)
            shutil.copyfileobj(file, self._file)
            self._file.seek(0)
            self._head = b""

    def readable(self):
        return True

    def seekable(self):
        return self._seekable

    def read(self, count=-1):
        if self._head:
            count = len(self._head) if count < 0 else count
            given, self._head = self._head[:count], self._head[count:]
            return given
        return self._file.read(count)

    def seek(self, place, whence=0):
        return self._file.seek(place, whence)

    def tell(self):
        return self._file.tell()
