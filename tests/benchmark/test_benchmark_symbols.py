"""Methods that make channel symbols by themselves."""

import numpy as np
import pytest

from spic.benchmark.channel import Files, Reading, channel_table
from spic.benchmark.layout import Layout
from spic.benchmark.method import Picture, Settings
from spic.benchmark.methods import get_method
from spic.benchmark.observations import save_arrays
from spic.benchmark.protocols import CORRECTED
from spic.benchmark.symbols import SymbolMethod
from spic.errors import BitstreamError, DataError
from spic.files import write_bytes

PIXELS = np.random.default_rng(0).integers(0, 256, (256, 512, 3), dtype=np.uint8)


class Analog(SymbolMethod):
    """Gray values of every eighth pixel, as amplitudes."""

    def to_symbols(self, pixels, snr_db):
        return pixels[::8, ::8, 1].ravel() / 255 + 0j

    def from_symbols(self, symbols, snr_db):
        levels = np.clip(np.rint(symbols.real * 255 * 0.6), 0, 255).astype(np.uint8).reshape(32, 64)
        return np.repeat(levels.repeat(8, axis=0).repeat(8, axis=1)[..., None], 3, axis=2)


def test_power_noise_and_channel_uses():
    method = Analog(Settings())
    coded = method.encode(Picture(PIXELS), 10.0)
    assert method.channel_uses(coded) == 32 * 64 and method.sizes(coded) == {}
    received = np.frombuffer(coded["picture"][24:], np.complex64)
    sent = PIXELS[::8, ::8, 1].ravel() / 255
    noise = received - sent / np.sqrt(np.mean(sent**2))
    assert np.mean(np.abs(noise) ** 2) == pytest.approx(0.1, rel=0.1)  # 10 dB below power 1
    assert coded == method.encode(Picture(PIXELS), 10.0) != method.encode(Picture(255 - PIXELS), 10.0)
    (image,) = method.decode([coded], ["a"])
    assert image.shape == PIXELS.shape and image.dtype == np.uint8


def test_the_receiver_divides_by_a_gain_that_it_knows():
    seen = []

    class Faded(Analog):
        fading = "rayleigh"

        def from_symbols(self, symbols, snr_db):
            seen.append((symbols, snr_db))
            return super().from_symbols(symbols, snr_db)

    method = Faded(Settings())
    coded = method.encode(Picture(PIXELS), 10.0)
    method.decode([coded], ["a"])
    (symbols, snr_db), sent = seen[0], PIXELS[::8, ::8, 1].ravel() / 255
    noise = symbols - sent / np.sqrt(np.mean(sent**2))
    assert -10 * np.log10(np.mean(np.abs(noise) ** 2)) == pytest.approx(snr_db, abs=0.5) and snr_db != 10


def test_what_is_wrong_is_one_line():
    class Silent(Analog):
        def to_symbols(self, pixels, snr_db):
            return np.zeros(10)

    with pytest.raises(DataError, match="method Silent: its symbols"):
        Silent(Settings()).encode(Picture(PIXELS), 3)
    for data in (b"", bytes(24), bytes(30)):
        with pytest.raises(BitstreamError, match="not received symbols"):
            Analog(Settings()).decode([{"picture": data}], ["a"])


def test_it_stands_in_the_table_beside_the_others(tmp_path, monkeypatch):
    monkeypatch.setattr("spic.benchmark.channel.get_method", lambda name, settings: Analog(settings))
    scores = {"names": np.array(["a", "b"]), "height": np.array(256), "width": np.array(512), "lpips": np.ones(2)}
    for name in ("own", "lost"):
        save_arrays(tmp_path / f"{name}.npz", scores)
    for name in "ab":
        coded = Analog(Settings()).encode(Picture(PIXELS), 4)
        write_bytes(tmp_path / "coded" / f"{name}.picture.symbols", coded["picture"])
    point = Files("jscc", "snr_db4", {"snr_db": 4}, Settings(), [tmp_path / "own.npz"], [tmp_path / "coded"])
    channel = {"fading": "none", "realisations": 1, "seed": 0}
    identity = {"run": "r", "protocol": "corrected"}
    table = channel_table(identity, [point], [tmp_path / "lost.npz"], channel, Reading(CORRECTED))
    row = table.iloc[0]
    assert (row["method"], row["snr_db"], row["outage"], row["lpips"]) == ("jscc", 4, 0, 1)
    assert row["cbr"] == 32 * 64 / (3 * 256 * 512) and list(table["method"]) == ["jscc", "mean image"]


def test_tools_that_want_a_rate_get_no_file_of_it(monkeypatch):
    config = {"run": "x", "protocols": ["corrected"], "methods": {"jscc": {"snr_db": [4]}, "bpg": {"qp": [40]}}}
    plan = Layout(config)
    kinds = {"jscc": Analog(Settings()), "bpg": get_method("bpg")}
    monkeypatch.setattr(plan, "method", kinds.get)
    assert plan.compressai_files() == ["results/x/tables/compressai/corrected/bpg.json"]
