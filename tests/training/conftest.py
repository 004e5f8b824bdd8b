"""A pack that trainings of the decoder can take."""

import pytest


@pytest.fixture(scope="session")
def coded_pack(tiny_scenes, tmp_path_factory):
    """Two drawn frames of 64x128 and their coarse images at QP 25 and 40."""
    from spic.codecs import get_codec
    from spic.training.pack import read_pack, write_pack

    path = tmp_path_factory.mktemp("coded-pack") / "pack.zip"
    write_pack(path, [tiny_scenes(2, (64, 128))], [25, 40], get_codec("bpg"))
    return read_pack(path)
