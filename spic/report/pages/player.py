"""The player of a gallery: a clip by every method, frames in step, from the images that lie in the folder of the run.

Nothing is copied: the page names those images by their paths from its own folder, so it plays while it lies in the run.
"""

import os
from collections.abc import Iterable
from itertools import islice
from urllib.parse import quote

from spic.errors import DataError

MAX_FRAMES = 3000  # of a page


def player(page, frames: dict[str, list[str]], rate: float, versions: Iterable[tuple[str, dict, dict]]) -> dict:
    """What the template `player.html.j2` shows.

    Parameters
    ----------
    page : path-like
        Folder in which the page will lie.
    frames : dict of str to list of str
        Names of the frames of each chunk, in their order; the first `MAX_FRAMES` are played.
    rate : float
        Frames per second, above 0.
    versions : iterable of (str, dict, dict)
        Label, {chunk: folder of its images NAME.png} and numbers ({name: text}) of each way to show the clip.

    Returns
    -------
    dict
        rate; total (frames there are); frames, [(place of the chunk, address of the file)]; versions, each with label,
        numbers and folders, the addresses of its folders by place of the chunk.

    Raises
    ------
    DataError
        There is no frame.
    """
    named = [(place, quote(f"{name}.png")) for place, names in enumerate(frames.values()) for name in names]
    if not named:
        raise DataError("gallery: a clip without a frame")
    shown = [
        {"label": label, "numbers": numbers, "folders": [quote(os.path.relpath(of[chunk], page)) for chunk in frames]}
        for label, of, numbers in versions
    ]
    return {"rate": rate, "total": len(named), "frames": list(islice(named, MAX_FRAMES)), "versions": shown}
