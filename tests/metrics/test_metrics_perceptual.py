import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from spic.errors import ConfigError, DataError, WeightsError
from spic.metrics import Lpips, lpips_weights_path
from spic.metrics.torchvision_shim import import_torchvision

import_torchvision()
lpips = pytest.importorskip("lpips")
NEEDED = r'lpips.LPIPS\(net="alex"\)'


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """{name: (network of the lpips package with a random trunk, file of its state dict)}."""
    folder, made = tmp_path_factory.mktemp("lpips"), {}
    for name in ("alex", "vgg"):
        torch.manual_seed(0)
        with pytest.warns(UserWarning):  # torchvision on the package's use of it
            network = lpips.LPIPS(net=name, pnet_rand=True, verbose=False)
        torch.save(network.state_dict(), folder / f"{name}.pth")
        made[name] = network, folder / f"{name}.pth"
    return made


def pictures(seed, size=(72, 88)):
    random = np.random.default_rng(seed)
    a = np.kron(random.integers(0, 256, (9, 11, 3)), np.ones((size[0] // 9, size[1] // 11, 1))).astype(np.uint8)
    return a, np.clip(a + random.normal(0, 30, a.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", ["alex", "vgg"])
def test_agrees_with_the_lpips_package(networks, name):
    network, path = networks[name]
    ours = Lpips(path, device="cpu")
    assert ours.network == name
    for seed in range(2):
        a, b = pictures(seed)
        x, y = (torch.from_numpy(p).permute(2, 0, 1)[None].float() / 127.5 - 1 for p in (a, b))
        with torch.inference_mode():
            expected = float(network(x, y))
        assert expected > 1e-4 and ours(a, b) == pytest.approx(expected, rel=1e-5)
    assert ours(a, a) == 0.0


def test_safetensors_give_the_same(networks, tmp_path):
    network, path = networks["alex"]
    state = {key: value.clone() for key, value in network.state_dict().items() if not key.startswith("lins.")}
    save_file(state, tmp_path / "alex.safetensors")
    a, b = pictures(3)
    assert Lpips(tmp_path / "alex.safetensors", "cpu")(a, b) == Lpips(path, "cpu")(a, b)


def test_missing_or_foreign_weights_say_what_is_needed(networks, tmp_path):
    state = networks["alex"][0].state_dict()
    path = tmp_path / "weights.pth"
    with pytest.raises(WeightsError, match=f"no such file; .*{NEEDED}"):
        Lpips(path)
    with pytest.raises(WeightsError, match="no such file"):
        Lpips(tmp_path / "weights.safetensors")
    with pytest.raises(WeightsError, match="not readable"):
        Lpips(tmp_path)
    for file in (path, tmp_path / "weights.safetensors"):
        for content in (b"", b"no weights", b"PK\x03\x04 broken"):
            file.write_bytes(content)
            with pytest.raises(WeightsError, match=f"not readable .*{NEEDED}"):
                Lpips(file)
    linear_only = {key: value for key, value in state.items() if key.startswith("lin")}  # what the package ships
    for foreign in (linear_only, {"weight": torch.zeros(3)}, {1: 2}, {}, {"net.slice1.0.weight": "text"}):
        torch.save(foreign, path)
        with pytest.raises(WeightsError, match=f"not a network of LPIPS; .*{NEEDED}"):
            Lpips(path)
    torch.save([1, 2], path)
    with pytest.raises(WeightsError, match="not a state dict"):
        Lpips(path)


def test_incomplete_weights_name_the_layer(networks, tmp_path):
    state = dict(networks["alex"][0].state_dict())
    path = tmp_path / "weights.pth"
    for key, value in (
        ("net.slice3.6.bias", None),
        ("lin4.model.1.weight", torch.zeros(1, 3, 1, 1)),
        ("net.slice2.3.weight", torch.zeros(192, 63, 5, 5)),
        ("net.slice5.10.weight", "text"),
        ("scaling_layer.scale", torch.ones(3)),
    ):
        damaged = {**state, key: value}
        if value is None:
            del damaged[key]
        torch.save(damaged, path)
        with pytest.raises(WeightsError, match=f"{key} is missing or does not fit"):
            Lpips(path)


def test_a_pickle_with_code_in_it_is_not_run(tmp_path):
    marker = tmp_path / "ran"

    class Hostile:
        def __reduce__(self):
            return open, (str(marker), "w")

    path = tmp_path / "weights.pth"
    torch.save({"net.slice1.0.weight": Hostile()}, path)
    with pytest.raises(WeightsError, match="not readable"):
        Lpips(path)
    assert not marker.exists()


def test_bad_pictures_and_settings_are_refused(networks):
    _, path = networks["alex"]
    ours = Lpips(path, "cpu")
    a, b = pictures(4)
    for bad in (a[..., :1], a.astype(np.float32), a[None], a[..., 0]):
        with pytest.raises(DataError, match="uint8"):
            ours(bad, bad)
    with pytest.raises(DataError, match="different shape"):
        ours(a, b[:-1])
    with pytest.raises(DataError, match="64 pixels"):
        ours(a[:63], b[:63])
    with pytest.raises(ConfigError):
        Lpips(path, device="abacus")


def test_the_weights_come_from_the_config_or_the_environment(monkeypatch, tmp_path):
    monkeypatch.delenv("SPIC_LPIPS_WEIGHTS", raising=False)
    assert lpips_weights_path() is None
    monkeypatch.setenv("SPIC_LPIPS_WEIGHTS", str(tmp_path / "alex.pth"))
    assert lpips_weights_path() == tmp_path / "alex.pth" and lpips_weights_path("x.pth").name == "x.pth"
