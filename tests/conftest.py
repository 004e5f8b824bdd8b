"""Fixtures shared by all tests."""

import json
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Two processes share the tests (`make test`): runs of the workflow, which share one run, all go to one of them."""
    for item in items:
        if item.get_closest_marker("workflow"):
            item.add_marker(pytest.mark.xdist_group("workflow"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of conformance vectors and real data beside the project; the test skips where there is none."""
    folder = Path(os.environ.get("SPIC_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no folder {folder} (SPIC_SHARED)")
    return folder


@pytest.fixture(scope="session")
def published() -> Path:
    """Folder of what was published with the newest version: `camvid`, `street_scenes`."""
    versions = (ROOT / "results" / "published").glob("[0-9]*")
    return max(versions, key=lambda path: [*map(int, path.name.split("."))])


@pytest.fixture(scope="session")
def extending() -> dict[str, str]:
    """The files that docs/extending.md shows, by name."""
    text = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    return dict(re.findall(r"`([\w.]+)`:\n\n```\w+\n(.*?)^```$", text, re.S | re.M))


@pytest.fixture(scope="session")
def extras(extending, tmp_path_factory) -> Path:
    """Folder in which the package of docs/extending.md is installed, for the front of sys.path."""
    folder = tmp_path_factory.mktemp("extras")
    for name, text in extending.items():
        if name.endswith(".py"):
            (folder / name).write_text(text)
    project = tomllib.loads(extending["pyproject.toml"])["project"]
    info = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    about = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (info / "METADATA").write_text(about)
    lines = []
    for group, points in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return folder


TINY_NET = {  # the shipped decoder's kind of network, small enough to train in a test
    "base_channels": 32,
    "channel_mult": [1, 1],
    "num_res_blocks": 1,
    "attention_resolutions": [],
    "head_channels": 16,
    "spade_hidden": 8,
    "ssm_channels": 8,
}
TINY_SEGMENTER = {"width": 0.25, "depth": 0.3, "stem": 8, "decoder": [8, 8, 8, 8]}


@pytest.fixture(scope="session")
def tiny_net() -> dict:
    """Settings of a decoder network with 0.5 M parameters; sides are multiples of 8."""
    return dict(TINY_NET)


@pytest.fixture(scope="session")
def tiny_segmenter_net() -> dict:
    """Settings of a segmenter network with a few thousand parameters."""
    return dict(TINY_SEGMENTER)


@pytest.fixture(scope="session")
def tiny_scenes():
    """Factory of `count` street scenes with labels, as a data set: `tiny_scenes(3, (48, 64))`."""
    from spic.datasets import get_dataset

    return lambda count=2, size=(48, 64), split="train": get_dataset("street_scenes", None, split, count, size)


@pytest.fixture(scope="session")
def tiny_decoder(tmp_path_factory) -> Path:
    """Weights of a decoder for 11 classes, random but with a say in the picture: 3 DDIM steps from t = 100."""
    return _save_tiny_decoder(tmp_path_factory.mktemp("weights") / "tiny-decoder")


@pytest.fixture(scope="session")
def tiny_chain(tmp_path_factory) -> Path:
    """Others, for the paper's chain of 20 steps."""
    chain = {"sampler": "published", "steps": 20, "start": 192}
    return _save_tiny_decoder(tmp_path_factory.mktemp("chain") / "tiny-chain", seed=2, sampling=chain)


@pytest.fixture
def shipping(tmp_path_factory, monkeypatch) -> Path:
    """An empty folder in place of that of the shipped weights; `spic.weights.register` puts some in."""
    from spic import weights

    folder = tmp_path_factory.mktemp("shipping")
    monkeypatch.setattr(weights, "FOLDER", folder)
    return folder


@pytest.fixture(scope="session")
def tiny_ablations(tmp_path_factory) -> dict[str, Path]:
    """The same for the methods sr and sdm, {"sr_weights": path, "sdm_weights": path}."""
    folder = tmp_path_factory.mktemp("ablations")
    return {
        f"{name}_weights": _save_tiny_decoder(folder / name, condition=condition)
        for name, condition in (("sr", "coarse"), ("sdm", "ssm"))
    }


def _save_tiny_decoder(path: Path, label_space=None, *, seed: int = 1, sampling=None, **network) -> Path:
    import torch

    from spic.scsrdm import build, save_checkpoint
    from spic.training.decoder import SMALL

    torch.manual_seed(seed)
    model = build({**SMALL, **TINY_NET, "num_classes": 11, **network})
    for parameter in model.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.05)
    space = {"label_space": label_space} if label_space else {}
    save_checkpoint(path, model, {"sampling": sampling or {"sampler": "ddim", "steps": 3, "start": 100}, **space})
    return path


@pytest.fixture(scope="session")
def tiny_shapes_decoder(tmp_path_factory) -> Path:
    """The same for the label space of docs/extending.md, shapes3, which its config names."""
    return _save_tiny_decoder(tmp_path_factory.mktemp("shapes") / "shapes-decoder", "shapes3", num_classes=3)


@pytest.fixture(scope="session")
def tiny_ldm(tmp_path_factory) -> Path:
    """A random latent-diffusion pipeline for 4x super-resolution, as diffusers saves it."""
    pytest.importorskip("transformers")
    from spic.metrics.torchvision_shim import import_torchvision

    import_torchvision()
    import diffusers
    import torch

    torch.manual_seed(0)
    blocks = {"norm_num_groups": 4, "layers_per_block": 1}
    unet = diffusers.UNet2DModel(
        in_channels=6, out_channels=3, block_out_channels=(8, 8), **blocks, attention_head_dim=4,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "UpBlock2D"),
    )  # fmt: skip
    vqvae = diffusers.VQModel(
        block_out_channels=(8, 8, 8), latent_channels=3, num_vq_embeddings=16, **blocks,
        down_block_types=("DownEncoderBlock2D",) * 3, up_block_types=("UpDecoderBlock2D",) * 3,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("ldm")
    diffusers.LDMSuperResolutionPipeline(vqvae, unet, diffusers.DDIMScheduler()).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_segmenter(tmp_path_factory) -> Path:
    """Weights of a street segmenter for CamVid's 11 classes: random, with maps of several classes."""
    import torch

    from spic.segmentation.street import StreetConfig, StreetNet
    from spic.weights import write_weights

    torch.manual_seed(1)
    model = StreetNet(StreetConfig.from_dict({**TINY_SEGMENTER, "num_classes": 11}))
    torch.nn.init.normal_(model.decoder[-1].fuse[0].weight)
    torch.nn.init.normal_(model.classify.weight)
    with torch.no_grad():
        model.classify.weight -= model.classify.weight.mean(1, keepdim=True)
    path = tmp_path_factory.mktemp("weights") / "tiny-segmenter"
    config = {"arch": "street", "label_space": "camvid11", "net": {**TINY_SEGMENTER, "num_classes": 11}}
    write_weights(path, model.state_dict(), config)
    return path


@pytest.fixture
def tiny_encoder(monkeypatch):
    """The discriminators of the decoder's training are small, on an encoder that is random and needs no package.

    Names of the encoders asked for come as a list.
    """
    from functools import partial

    from spic.networks import efficientnet
    from spic.training import adversarial, discriminators

    asked = []
    monkeypatch.setitem(efficientnet.LITE, discriminators.ENCODER, (0.25, 0.3))
    monkeypatch.setattr(discriminators, "load_imagenet", lambda encoder, name: asked.append(name))
    monkeypatch.setattr(adversarial, "Discriminators", partial(discriminators.Discriminators, width=8))
    return asked


@pytest.fixture(scope="session")
def inception_weights(tmp_path_factory):
    """A file laid out like the published FID weights, with random weights that keep the scale of the activations."""
    from unittest import mock

    import torch

    from spic.metrics.torchvision_shim import import_torchvision

    import_torchvision()
    from pytorch_fid import inception

    torch.manual_seed(0)
    kept = {}

    def initialise(self, state):
        for parameter in self.parameters():
            if parameter.ndim == 4:
                torch.nn.init.kaiming_normal_(parameter, nonlinearity="relu")
        kept.update(self.state_dict())

    with (
        mock.patch.object(inception, "load_state_dict_from_url", lambda *args, **kwargs: None),
        mock.patch.object(torch.nn.Module, "load_state_dict", initialise),
    ):
        inception.fid_inception_v3()
    path = tmp_path_factory.mktemp("fid") / "weights.pth"
    torch.save(kept, path)
    return path


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
OPTIONS = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--force-device-scale-factor=1"]
OPTIONS += ["--virtual-time-budget=5000", "--host-resolver-rules=MAP * ~NOTFOUND"]
CATCH = """<script>window.problems = [];
addEventListener("error", (event) => problems.push(String(event.message || event.target.src)), true);
console.error = (...words) => problems.push(words.join(" "));</script>"""


class Browser:
    """Opens pages by their path, in headless Chromium without a network."""

    def _run(self, page: Path, width: int, height: int, *arguments) -> str:
        command = [CHROMIUM, *OPTIONS, f"--window-size={width},{height}", *arguments, page.as_uri()]
        return subprocess.run(command, capture_output=True, timeout=120, check=True).stdout.decode()

    def ask(self, page: Path, script: str, width=1200, height=900) -> dict:
        """Run `script` in the loaded page; what it puts into `out` comes back, with `out.errors`."""
        text = page.read_text(encoding="utf-8")
        head, tail = (text.index("<head>") + 6, text.rindex("</body>")) if "<head>" in text else (0, len(text))
        body = f"""<script>addEventListener("load", () => setTimeout(async () => {{
          const out = {{}}, wait = (ms) => new Promise((done) => setTimeout(done, ms));
          try {{ {script} }} catch (error) {{ problems.push(String(error)); }}
          out.errors = problems;
          const answer = document.createElement("pre");
          answer.textContent = JSON.stringify(out);
          document.body.replaceChildren(answer);
        }}, 300));</script>"""
        probe = page.with_name(f"probe-{page.name}")
        probe.write_text(text[:head] + CATCH + text[head:tail] + body + text[tail:], encoding="utf-8")
        try:
            dom = self._run(probe, width, height, "--dump-dom")
        finally:
            probe.unlink()
        found = re.search(r"<pre>(.*)</pre>", dom, re.S)
        assert found, dom[-2000:]
        return json.loads(found[1].replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">"))

    def shot(self, page: Path, width=1200, height=900) -> np.ndarray:
        """A screenshot, uint8 (height, width, 3)."""
        file = page.with_name("shot.png")
        self._run(page, width, height, f"--screenshot={file}")
        pixels = np.array(Image.open(file).convert("RGB"))
        file.unlink()
        return pixels


@pytest.fixture(scope="session")
def browser() -> Browser:
    """Headless Chromium; the test skips without one."""
    if not CHROMIUM:
        pytest.skip("no chromium on PATH")
    return Browser()
