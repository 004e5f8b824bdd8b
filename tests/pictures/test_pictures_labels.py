"""Label spaces and the one-hot code."""

import numpy as np
import pytest

from spic.errors import DataError
from spic.pictures.labels import CAMVID11, LabelSpace, get_label_space, one_hot


def test_camvid():
    assert get_label_space("camvid11") is CAMVID11
    assert CAMVID11.num_classes == CAMVID11.void == len(CAMVID11.palette) == 11
    assert len(set(CAMVID11.palette)) == len(set(CAMVID11.classes)) == 11
    assert [CAMVID11.id(name) for name in CAMVID11.classes] == list(range(11))


def test_unknown_names():
    with pytest.raises(DataError, match=r"'mars'.*camvid11"):
        get_label_space("mars")
    with pytest.raises(DataError, match=r"'boat'.*sky, building"):
        CAMVID11.id("boat")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"name": ""}, "its name must have 1 to 64 printable ASCII"),
        ({"name": "straße"}, "its name must have"),
        ({"name": 7}, "its name must have"),
        ({"classes": ()}, "its classes must have different names"),
        ({"classes": ("a", "a")}, "its classes must have different names"),
        ({"classes": ("a", 1)}, "its classes must have different names"),
        ({"classes": None}, "not iterable"),
        ({"palette": ((0, 0, 0),)}, "its palette must have 2 colours"),
        ({"palette": ((0, 0, 0), (0, 0, 256))}, "its palette must have 2 colours"),
        ({"palette": ((0, 0, 0), (0, 0))}, "label space 'two': "),
        ({"palette": "rg"}, "label space 'two': "),
        ({"void": 1}, "its void id must be from 2 to 255"),
        ({"void": 256}, "its void id must be from 2 to 255"),
        ({"void": None}, "label space 'two': "),
    ],
)
def test_a_label_space_is_checked(changes, problem):
    good = {"name": "two", "classes": ["a", "b"], "palette": [[0, 0, 0], [255, 0, 9]], "void": 255}
    assert LabelSpace(**good) == LabelSpace("two", ("a", "b"), ((0, 0, 0), (255, 0, 9)), 255)
    with pytest.raises(DataError, match=problem):
        LabelSpace(**{**good, **changes})


def test_check():
    labels = np.array([[0, 10], [11, 5]], np.uint8)
    assert CAMVID11.check(labels) is labels
    with pytest.raises(DataError, match=r"a\.png: id 12 is not in label space camvid11"):
        CAMVID11.check(np.array([[0, 12]], np.uint8), "a.png")
    for wrong in (labels.astype(int), labels[0]):
        with pytest.raises(DataError, match="expected uint8"):
            CAMVID11.check(wrong)


def test_colorize():
    labels = np.array([[[0, 10], [11, 255]]], np.uint8)
    painted = CAMVID11.colorize(labels)
    assert painted.dtype == np.uint8 and painted.shape == (1, 2, 2, 3)
    assert painted.tolist() == [[[[128, 128, 128], [0, 128, 192]], [[0, 0, 0], [0, 0, 0]]]]


def test_one_hot_of_void_is_all_zero():
    torch = pytest.importorskip("torch")
    labels = torch.tensor([[[0, 2], [3, 255]]], dtype=torch.uint8)
    code = one_hot(labels, 3)
    assert code.dtype == torch.float32 and code.shape == (1, 3, 2, 2)
    assert code[0, :, 0, 0].tolist() == [1, 0, 0] and code[0, :, 0, 1].tolist() == [0, 0, 1]
    assert not code[0, :, 1].any()
    assert one_hot(labels, 4)[0, :, 1, 0].tolist() == [0, 0, 0, 1]  # with a channel for void
