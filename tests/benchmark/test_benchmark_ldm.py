"""The method ldm on a tiny random pipeline in the layout of the published folder."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spic.benchmark import ldm as module
from spic.benchmark.checks import check_methods
from spic.benchmark.coding import decode, encode, read_folder
from spic.benchmark.method import Picture, Settings
from spic.benchmark.methods import get_method
from spic.benchmark.plan import Plan
from spic.errors import ConfigError, WeightsError
from spic.machine import CPU
from spic.pictures.reading import write_png

pytest.importorskip("transformers")


@pytest.fixture
def settings(tiny_ldm):
    return Settings(ldm_weights=str(tiny_ldm), machine=CPU, method_options={"ldm": {"steps": 2}})


@pytest.fixture(scope="module")
def image(tiny_scenes):
    return tiny_scenes(1, (64, 160)).picture(0)  # the coarse image is 16x40, no multiple of 32


def test_it_runs_from_folder_to_folder(settings, image, tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        write_png(tmp_path / "in" / f"{name}.png", image)
    encode("ldm", 35, settings, tmp_path / "in", None, tmp_path / "coded", tmp_path / "t1.csv")
    decode("ldm", settings, tmp_path / "coded", tmp_path / "out", tmp_path / "t2.csv")
    first, second = (picture for _, picture in read_folder(tmp_path / "out"))
    assert first.shape == image.shape and first.std() > 1 and np.array_equal(first, second)


def test_an_image_has_a_seed_of_its_own_and_leaves_torchs_alone(settings, image):
    import torch

    method = get_method("ldm", settings)
    part = method.encode(Picture(image), 35)
    alone = method.decode([part], ["a"])[0]
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    other = method.encode(Picture(255 - image), 35)
    assert np.array_equal(method.decode([other, part], ["b", "a"])[1], alone)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not np.array_equal(get_method("ldm", replace(settings, seed=1)).decode([part], ["a"])[0], alone)
    calm = replace(settings, method_options={"ldm": {"steps": 2, "eta": 0}})
    assert not np.array_equal(get_method("ldm", calm).decode([part], ["a"])[0], alone)


def test_the_coarse_image_uncoded_is_the_papers_figure_3(settings, image):
    method = get_method("ldm", replace(settings, coarse_codec="lossless"))
    assert method.parameter == "coarse_factor"
    (found,) = method.decode([method.encode(Picture(image), 4)], ["a"])
    assert found.shape == image.shape


def test_what_is_missing_is_one_line(tiny_ldm, tmp_path, monkeypatch):
    def lack(weights):
        return get_method("ldm", Settings(ldm_weights=weights and str(weights))).lack

    assert lack(tiny_ldm) is None
    wanted = "CompVis/ldm-super-resolution-4x-openimages"
    assert wanted in lack(None) and "0.7 GB" in lack(None) and get_method("ldm").missing == "ldm_weights"
    assert f"{tmp_path}/unet/config.json: no such file" in lack(tmp_path) and wanted in lack(tmp_path)
    shutil.copytree(tiny_ldm, tmp_path / "copy")
    (tmp_path / "copy" / "vqvae" / "diffusion_pytorch_model.safetensors").unlink()
    assert "vqvae/diffusion_pytorch_model.safetensors: no such file, nor" in lack(tmp_path / "copy")
    config = {"methods": {"ldm": {"coarse_qp": [35]}}, "ldm_weights": str(tmp_path / "gone")}
    with pytest.raises(ConfigError, match=r"^method ldm needs ldm_weights: .*gone/unet/config\.json: no such file"):
        check_methods(Plan(config))
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    assert lack(tiny_ldm) == "transformers: pip install 'semantic-image-coding[transformers]'"


def test_options_are_checked(tiny_ldm):
    for options, message in (
        ({"step": 3}, "ldm has the options steps and eta, not step"),
        ({"steps": 0}, "steps 0: a whole number from 1 to 1000"),
        ({"steps": 2.5}, r"steps 2\.5"),
        ({"eta": 2}, "eta 2: a number from 0 to 1"),
    ):
        with pytest.raises(ConfigError, match=message):
            get_method("ldm", Settings(method_options={"ldm": options}))


def test_damaged_folders(settings, image, tmp_path):
    def refused(part, name, data, message):
        target = tmp_path / f"{part}{len(list(tmp_path.iterdir()))}"
        shutil.copytree(settings.ldm_weights, target)
        (target / part / name).write_bytes(data)
        method = get_method("ldm", replace(settings, ldm_weights=str(target)))
        with pytest.raises(WeightsError, match=message) as error:
            method.decode([method.encode(Picture(image), 35)], ["a"])
        assert "\n" not in str(error.value)

    refused("unet", "config.json", b"{", "not readable")
    refused("vqvae", "diffusion_pytorch_model.safetensors", b"\0" * 100, "not readable")
    refused("unet", "diffusion_pytorch_model.safetensors", _bytes_of({"conv_in.bias": 8}), "missing or misshapen")


def _bytes_of(shapes):
    import torch
    from safetensors.torch import save

    return save({name: torch.zeros(shape) for name, shape in shapes.items()})


def test_the_published_networks_that_are_counted_have_the_sizes_of_the_published_files(monkeypatch):
    import csv

    import diffusers
    import torch

    root = Path(__file__).resolve().parents[2]
    monkeypatch.syspath_prepend(root / "benchmarks")
    import macs

    with torch.device("meta"):
        networks = diffusers.UNet2DModel(**macs.LDM_UNET), diffusers.VQModel(**macs.LDM_VQVAE)
    assert [round(4 * macs.parameters(network) / 1e6) for network in networks] == [454, 221]  # 455 with its container
    with (root / "results" / "published" / "benchmarks" / "methods_macs.csv").open() as file:
        (row,) = (row for row in csv.DictReader(file) if row["method"] == "ldm")
    assert float(row["decoder_m"]) == round(sum(map(macs.parameters, networks)) / 1e6, 2)


def test_its_files_and_libraries_count(settings):
    config = {"methods": {"ldm": {"coarse_qp": [35]}}, "protocols": ["corrected"], "ldm_weights": settings.ldm_weights}
    config |= {"method_options": {"ldm": {"steps": 2}}, "ssm_codec": "flif", "coarse_codec": "bpg", "seed": 0}
    coder = Plan(config).coder("ldm")
    assert coder["settings"]["ldm_weights"] == settings.ldm_weights
    assert coder["settings"]["method_options"] == {"ldm": {"steps": 2}}
    assert {"torch", "diffusers"} <= coder["code"].keys()
    assert len(Plan(config).decoder_files(get_method("ldm", settings))) == 5 and len(coder["weights"]) == 3
    assert Plan(config | {"methods": {**config["methods"], "spic": {}}}).uncompressed == ["upsampled", "ldm", "spic"]
