"""Files that were made for other decoder weights: refused, or decoded with a notice, by Python and the command line."""

import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from spic import Receiver, Transmitter
from spic.bitstream import Residual, read_spic, write_spic
from spic.cli import app
from spic.codecs import get_codec
from spic.errors import WeightsError
from spic.pictures.reading import read_picture, write_png
from spic.weights import record_release, register

ON_CPU = {"device": "cpu", "dtype": "float32"}
MACHINE = ["--device", "cpu", "--dtype", "float32"]
ANOTHER = "the image is another one"


def invoke(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def fail(*arguments) -> str:
    result = invoke(*arguments)
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit), result.output
    assert result.stderr.startswith("spic: ") and result.stderr.count("\n") == 1
    return result.stderr


@pytest.fixture(scope="module")
def scene(tiny_scenes):
    scenes = tiny_scenes(1, (32, 64))
    return scenes.picture(0), scenes.labels(0)


@pytest.fixture
def encode(scene):
    return lambda *decoder, **options: Transmitter(
        None, None, *decoder, ssm_codec="png", quality=30, **ON_CPU, **options
    ).encode(*scene)


@pytest.fixture
def shipped(shipping, tiny_decoder, tiny_chain):
    """Two shipped decoders."""
    register("street-decoder", tiny_decoder)
    register("street-decoder-20", tiny_chain)


@pytest.fixture
def released(shipping, tiny_decoder, tiny_chain, encode):
    """A file by the street-decoder of 1.0, which has given way to another since; and the old one's image."""
    register("street-decoder", tiny_decoder)
    record_release("1.0")
    data = encode()
    old = Receiver(**ON_CPU).decode(data)
    register("street-decoder", tiny_chain)
    return data, old


NOTICE = "made for street-decoder of 1.0, decoded with the one of this version; the image differs from what 1.0 drew"


def test_a_file_of_an_earlier_release_is_decoded_with_a_notice(released, tiny_chain, encode, caplog, tmp_path):
    data, old = released
    image = Receiver(**ON_CPU).decode(data)
    assert caplog.messages == [f".spic: {NOTICE}"]
    as_if = write_spic(replace(read_spic(data), weights_id=read_spic(encode()).weights_id))
    assert np.array_equal(image, Receiver(tiny_chain, **ON_CPU).decode(as_if)) and not np.array_equal(image, old)
    (tmp_path / "a.spic").write_bytes(data)
    done = invoke("decode", tmp_path / "a.spic", "-o", tmp_path / "a.png", *MACHINE)
    assert done.exit_code == 0 and done.stderr == f"spic: {tmp_path}/a.spic: {NOTICE}\n"
    assert np.array_equal(read_picture(tmp_path / "a.png"), image)
    done = invoke("decode", tmp_path / "a.spic", "-o", tmp_path / "b.png", "--json", *MACHINE)
    assert json.loads(done.stdout)["notes"] == [NOTICE]
    assert "(street-decoder of 1.0)\n" in invoke("info", tmp_path / "a.spic").stdout
    assert json.loads(invoke("info", tmp_path / "a.spic", "--json").stdout)["decoder"] == "street-decoder of 1.0"


def test_an_unknown_id_is_refused(released, tmp_path):
    (tmp_path / "a.spic").write_bytes(write_spic(replace(read_spic(released[0]), weights_id="0badcafe")))
    text = fail("decode", tmp_path / "a.spic", *MACHINE)
    assert "made for decoder weights 0badcafe, these are " in text and "--any-weights" in text
    assert not (tmp_path / "a.png").exists()
    assert "decoder      0badcafe\n" in invoke("info", tmp_path / "a.spic").stdout


def test_of_an_earlier_release_the_residual_is_left_out(released, scene):
    levels = get_codec("png").encode(np.full((32, 64, 3), 200, np.uint8))
    data = write_spic(replace(read_spic(released[0]), residual=Residual("png", 1, levels)))
    receiver = Receiver(**ON_CPU)
    assert np.array_equal(*receiver.decode_all([data, released[0]]))
    assert receiver.notes(data)[0] == NOTICE and receiver.notes(data)[1].startswith("the residual is left out; ")
    assert len(receiver.notes(data)) == 2


def test_names(shipped, encode, tiny_chain, tiny_segmenter, tmp_path):
    """`--decoder NAME` of encode and decode, and the same in Python; the file carries that decoder's id."""
    data = encode("street-decoder-20")
    assert data == encode(tiny_chain) and data != encode("street-decoder") == encode()
    assert read_spic(data).sampling is None  # 20 steps, as those weights recommend
    image = Receiver("street-decoder-20", **ON_CPU).decode(data)
    assert np.array_equal(image, Receiver(tiny_chain, **ON_CPU).decode(data))
    write_png(tmp_path / "a.png", np.zeros((64, 64, 3), np.uint8))
    for option in ("--decoder", "--decoder-weights"):
        command = ["encode", tmp_path / "a.png", "--force", "--ssm-codec", "png", "--segmenter-weights", tiny_segmenter]
        assert invoke(*command, option, "street-decoder-20", *MACHINE).exit_code == 0
        assert read_spic((tmp_path / "a.spic").read_bytes()).weights_id == read_spic(data).weights_id
    (tmp_path / "b.spic").write_bytes(data)
    for option in ("--decoder", "--weights"):
        done = invoke("decode", tmp_path / "b.spic", "--force", option, "street-decoder-20", *MACHINE)
        assert done.exit_code == 0 and done.stderr == ""
        assert np.array_equal(read_picture(tmp_path / "b.png"), image)
    assert "(shipped: street-decoder-20)" in invoke("info", tmp_path / "b.spic").stdout
    for command in ("encode", "roundtrip", "compare", "decode"):
        text = fail(command, tmp_path / ("b.spic" if command == "decode" else "a.png"), "--decoder", "x", "--force")
        assert "x.safetensors: no such file, nor is" in text and "street-decoder, street-decoder-20)" in text


def test_to_name_a_decoder_is_consent(shipped, encode, tiny_decoder, tiny_chain, tmp_path, caplog):
    data = encode()
    made = read_spic(data).weights_id
    (tmp_path / "a.spic").write_bytes(data)
    for name, used in (("street-decoder-20", "street-decoder-20"), (tiny_chain, "street-decoder-20")):
        done = invoke("decode", tmp_path / "a.spic", "--force", "--decoder", name, *MACHINE)
        told = f"made for decoder weights {made} (street-decoder), decoded with {used}; {ANOTHER}"
        assert done.exit_code == 0 and done.stderr == f"spic: {tmp_path}/a.spic: {told}\n"
    own = Receiver("street-decoder-20", any_weights=True, **ON_CPU)
    image = own.decode(data)
    assert np.array_equal(read_picture(tmp_path / "a.png"), image) and caplog.messages == [f".spic: {told}"]
    assert np.array_equal(own.decode(encode(tiny_chain)), image)  # the same but for the id: by its own 20 steps
    with pytest.raises(WeightsError, match=r"made for .* \(street-decoder\), these .* --decoder street-decoder, or"):
        Receiver("street-decoder-20", **ON_CPU).decode(data)


def test_files_of_nobody_are_decoded_by_who_is_named(shipping, tiny_decoder, tiny_chain, encode, tmp_path):
    """Neither the file's weights nor those at hand are shipped: both are told by what there is, an id and a path."""
    register("street-decoder", tiny_decoder)
    (tmp_path / "a.spic").write_bytes(write_spic(replace(read_spic(encode()), weights_id="0badcafe")))
    done = invoke("decode", tmp_path / "a.spic", "--decoder", tiny_chain, *MACHINE)
    told = f"made for decoder weights 0badcafe, decoded with {tiny_chain}.safetensors; {ANOTHER}"
    assert done.exit_code == 0 and done.stderr == f"spic: {tmp_path}/a.spic: {told}\n"
    done = invoke("decode", tmp_path / "a.spic", "--any-weights", "--force", *MACHINE)
    assert done.exit_code == 0 and done.stderr.endswith(f"0badcafe, decoded with street-decoder; {ANOTHER}\n")


def test_the_sampling_of_a_file_is_for_its_own_weights(shipped, encode, tiny_chain):
    by_hand = encode(sampling={"steps": 1})
    assert read_spic(by_hand).sampling.steps == 1
    other = Receiver("street-decoder-20", any_weights=True, **ON_CPU)
    assert np.array_equal(other.decode(by_hand), other.decode(encode()))
    own = Receiver(**ON_CPU)
    assert not np.array_equal(own.decode(by_hand), own.decode(encode()))
