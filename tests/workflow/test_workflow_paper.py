"""config/paper.yaml and config/cityscapes.yaml on a made-up Cityscapes, with a checkpoint in the authors' format."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from spic.datasets import get_dataset
from spic.pictures.reading import write_png

ROOT = Path(__file__).resolve().parents[2]
# label ids of the data set, in the order of the train ids
LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
NAMES = ("frankfurt_000000_000294", "lindau_000001_000019", "munster_000002_000019")
OFFICIAL = {
    "image_size": 64,
    "num_classes": 19,
    "num_channels": 32,
    "num_res_blocks": 1,
    "channel_mult": "1,1,1,1",  # deep enough for the attention at the bottleneck to be cheap
    "attention_resolutions": "",
    "num_head_channels": 16,
    "class_cond": True,
    "no_instance": True,
    "learn_sigma": True,
    "resblock_updown": True,
    "use_scale_shift_norm": True,
}
FEW_POINTS = "limit: 1\nmethods: {spic: {coarse_qp: [35]}, upsampled: null, bpg: {qp: [44]}, jpeg2000: null}\n"

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def files(tmp_path_factory, tiny_segmenter_net):
    """Cityscapes with three frames, the authors' model.pt with its options, and a segmenter of 19 classes."""
    import numpy as np
    import torch

    from spic.scsrdm import build, config_from_official
    from spic.segmentation.street import StreetConfig, StreetNet
    from spic.weights import write_weights

    folder = tmp_path_factory.mktemp("paper")
    scenes = get_dataset("street_scenes_city", split="val", limit=3)
    ids = np.array(LABEL_IDS, np.uint8)
    for i, name in enumerate(NAMES):
        city = name.split("_")[0]
        frame, labels = (array.repeat(4, 0).repeat(4, 1) for array in (scenes.picture(i), ids[scenes.labels(i)]))
        write_png(folder / "data" / "leftImg8bit" / "val" / city / f"{name}_leftImg8bit.png", frame)
        write_png(folder / "data" / "gtFine" / "val" / city / f"{name}_gtFine_labelIds.png", labels)
    torch.manual_seed(0)
    torch.save(build(config_from_official(OFFICIAL)).state_dict(), folder / "model.pt")
    (folder / "model.json").write_text(json.dumps({"official": OFFICIAL, "sampling": {"steps": 2}}))
    net = {**tiny_segmenter_net, "num_classes": 19}
    state = StreetNet(StreetConfig.from_dict(net)).state_dict()
    write_weights(folder / "eye", state, {"arch": "street", "label_space": "cityscapes19", "net": net})
    (folder / "few.yaml").write_text(FEW_POINTS)
    return folder


def snakemake(folder, config, *arguments, check=True):
    command = ["--snakefile", ROOT / "Snakefile", "--directory", folder, "--cores", 1, "--nocolor", *arguments]
    command += ["--configfile", ROOT / "config" / f"{config}.yaml", folder / "few.yaml"]
    command += ["--config", f"dataset_root={folder / 'data'}", "device=cpu"]
    return lambda *settings: _run([sys.executable, "-m", "snakemake", *map(str, [*command, *settings])], check)


def _run(command, check):
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0 or not check, done.stdout[-2000:] + done.stderr[-4000:]
    return done


@pytest.mark.slow
def test_the_papers_experiment_from_data_checkpoint_and_segmenter(files):
    figures = [f"results/paper/figures/figure{name}.svg" for name in ("2", "3", "4a", "4b")]
    run = snakemake(files, "paper", "results/paper/tables/points.csv", *figures)
    run("segmenter=street", f"segmenter_weights={files / 'eye'}", f"decoder_weights={files / 'model.pt'}")
    points = pd.read_csv(files / "results" / "paper" / "tables" / "points.csv")
    assert set(points["protocol"]) == {"official", "official_unguided", "corrected"}
    assert set(points["method"]) == {"spic", "bpg"} and (points["n"] == 1).all()
    assert points[["bpp", "miou", "miou_gt", "psnr"]].notna().all().all()
    spic = points[points["method"] == "spic"].set_index("protocol")
    # the authors count a coarse image that nobody decodes, and an SSM of three channels
    assert spic.loc["official", "bpp"] != spic.loc["corrected", "bpp"]
    assert spic.loc["official", "bpp"] == spic.loc["official_unguided", "bpp"]
    assert all("<svg" in (files / figure).read_text() for figure in figures)
    assert "method sr" in (files / "results/paper/figures/figure3.svg").read_text()  # no weights: left out, and said


def test_what_is_missing_is_said_before_the_first_job(files):
    run = snakemake(files, "paper", "--dry-run", check=False)
    for settings, says in (
        (["segmenter=internimage-xl"], "upernet_internimage_xl"),
        (["segmenter=street", f"segmenter_weights={files / 'eye'}"], "decoder_weights must be for cityscapes19"),
    ):
        done = run(*settings)
        assert done.returncode == 1 and says in done.stdout + done.stderr, done.stdout + done.stderr


def test_the_shipped_networks_take_cityscapes(files):
    done = snakemake(files, "cityscapes", "--dry-run")()
    assert "spic/coarse_qp35" in done.stdout + done.stderr


def test_overlays_fit_the_schema():
    import yaml
    from jsonschema import Draft202012Validator

    schema = yaml.safe_load((ROOT / "config" / "schema.yaml").read_text())
    base = yaml.safe_load((ROOT / "config.yaml").read_text())
    for overlay in ("paper", "cityscapes"):
        values = yaml.safe_load((ROOT / "config" / f"{overlay}.yaml").read_text())
        Draft202012Validator(schema).validate(base | values)
