"""Data sets of clips: drawn pans with exact labels, and the frames of a video file."""

import numpy as np
import pytest

from spic.datasets import get_dataset
from spic.errors import ConfigError, DataError
from spic.pictures.clips import VideoWriter


def test_the_view_moves_past_one_scene():
    data = get_dataset("street_pan", size=(32, 128))
    assert len(data) == 100 and data.names[26] == "pan_001_01" and data.labelled
    for get in (data.picture, data.labels):
        first, second, other = get(3), get(4), get(30)
        np.testing.assert_array_equal(second[:, :-1], first[:, 1:])
        assert first.shape[:2] == (32, 128) and not np.array_equal(first, other)
    data.label_space.check(data.labels(0), "pan")
    with pytest.raises(IndexError):
        data.picture(100)


def test_splits_differ_and_are_the_same_again():
    splits = [get_dataset("street_pan", None, split, 2, (32, 64)).picture(0) for split in ("train", "val", "test")]
    assert not any(np.array_equal(splits[i], splits[i - 1]) for i in range(3))
    np.testing.assert_array_equal(splits[1], get_dataset("street_pan", size=(32, 64)).picture(0))
    with pytest.raises(ConfigError):
        get_dataset("street_pan", None, "all")


def test_frames_of_a_video(tmp_path):
    pan = get_dataset("street_pan", size=(64, 128))
    with (tmp_path / "a.mp4").open("wb") as file:
        writer = VideoWriter(file, ".mp4", 15)
        for i in range(4):
            writer.write(pan.picture(i))
        writer.close()
    data = get_dataset("video", tmp_path / "a.mp4", size=(64, 128))
    assert data.names == [f"frame_{i:06d}" for i in range(4)] and data.labels(0) is None
    frames = {i: data.picture(i) for i in (2, 0, 3, 1)}
    for i, frame in frames.items():
        assert abs(frame.astype(int) - pan.picture(i)).mean() < 6
    assert data.files(1) == [tmp_path / "a.mp4"]


def test_what_is_no_video(tmp_path):
    with pytest.raises(DataError, match="no file"):
        get_dataset("video", tmp_path / "none.mp4")
    (tmp_path / "b.mp4").write_bytes(b"nonsense" * 50)
    with pytest.raises(DataError, match=r"b\.mp4: not a video"):
        get_dataset("video", tmp_path / "b.mp4")
    with pytest.raises(ConfigError, match="dataset_root"):
        get_dataset("video")
