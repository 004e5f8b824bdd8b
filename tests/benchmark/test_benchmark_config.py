"""Settings of a run: overlays over config.yaml, `--config` over both, what the schema allows and nothing else."""

import json
from pathlib import Path

import pytest
import yaml

from spic.benchmark.config import find, load, parse_settings, read_config
from spic.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = load(ROOT / "config" / "schema.yaml")


@pytest.fixture
def overlay(tmp_path):
    """Factory of overlays: `overlay("limit: 3", ...)` gives their paths."""

    def write(*texts):
        paths = [tmp_path / f"{i}.yaml" for i in range(len(texts))]
        for path, text in zip(paths, texts, strict=True):
            path.write_text(text)
        return paths

    return write


def test_every_key_is_there_without_an_overlay():
    config = read_config(ROOT)
    assert set(config) == set(SCHEMA["properties"])
    assert config["torch_threads"] == 1 and config["gallery"] == {"pictures": 12, "bpp": 0.16}
    assert list(config["methods"]) == ["spic", "upsampled", "bpg", "jpeg2000"] and config["limit"] == 8


def test_the_last_file_that_names_a_method_has_its_points(overlay):
    paths = overlay(
        "methods: {spic: {coarse_qp: [1, 2]}}", "methods: {spic: {coarse_quality: [30]}, webp: {quality: [5]}}"
    )
    config = read_config(ROOT, paths)
    assert config["methods"]["spic"] == {"coarse_quality": [30]} and config["methods"]["webp"] == {"quality": [5]}
    assert list(config["methods"]) == ["spic", "upsampled", "bpg", "jpeg2000", "webp"]  # the order of the tables
    assert config["methods"]["bpg"] == {"qp": [32, 38, 44, 50]}


@pytest.mark.parametrize("nulls", ["coarse_qp: null, coarse_quality: [30]", "coarse_quality: [30], coarse_qp:"])
def test_a_null_list_of_points_is_left_out(overlay, nulls):
    config = read_config(ROOT, overlay(f"methods: {{spic: {{{nulls}}}, bpg: null, upsampled: {{coarse_qp: null}}}}"))
    assert config["methods"] == {"spic": {"coarse_quality": [30]}, "jpeg2000": {"bpp": [0.1, 0.2, 0.4, 0.8]}}


def test_mappings_are_joined_and_all_else_is_replaced(overlay):
    config = read_config(ROOT, overlay("gallery: {bpp: 0.3}\nprotocols: [official]", "gallery: {pictures: 3}\nlimit:"))
    assert config["gallery"] == {"bpp": 0.3, "pictures": 3}
    assert config["protocols"] == ["official"] and config["limit"] is None


def test_further_judges_have_the_segmenter_of_their_name(overlay, tmp_path):
    texts = "judges: {espnet: {weights: e.pth}, own: {segmenter: street}}", "judges: {own: null}"
    assert read_config(ROOT, overlay(*texts))["judges"] == {"espnet": {"segmenter": "espnet", "weights": "e.pth"}}
    with pytest.raises(ConfigError, match=r"judges\.espnet"):
        read_config(ROOT, overlay("judges: {espnet: {file: e.pth}}"))


def test_json_and_an_empty_file_are_overlays(overlay):
    config = read_config(ROOT, overlay(json.dumps({"methods": {"bpg": {"qp": [1]}}}, indent="\t"), ""))
    assert config["methods"]["bpg"] == {"qp": [1]}


def test_config_yaml_may_be_left_out(overlay):
    paths = overlay("{run: x, dataset: street_scenes, methods: {bpg: {qp: [40]}}}")
    assert list(read_config(ROOT, paths, replace=True)["methods"]) == ["bpg"]
    with pytest.raises(ConfigError, match="'methods' is a required property"):
        read_config(ROOT, overlay("{run: x, dataset: street_scenes}"), replace=True)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("chunk_size=null", None),
        ("chunk_size=", None),
        ("judge=null", None),
        ("judge=~", None),
        ("limit=4", 4),
        ("run=007", "007"),
        ("run=1e5", "1e5"),
        ("run=20261127", "20261127"),
        ("run=null", "null"),
        ("run=on", "on"),
        ("run='x'", "x"),
        ("dataset_root=2024", "2024"),
        ("dataset_root=/a: b/[c", "/a: b/[c"),
        ("gallery={bpp: 0.3, pictures: all}", {"bpp": 0.3, "pictures": "all"}),
        ("gallery={pictures: 3}", {"bpp": 0.16, "pictures": 3}),
        ("protocols=[official, corrected]", ["official", "corrected"]),
        ("classes_of_interest=[car, no]", ["car", "no"]),
        ("figure_pictures=[0001, null]", ["0001", "null"]),
    ],
)
def test_config_takes_what_an_overlay_takes(setting, value):
    assert read_config(ROOT, settings=[setting])[setting.partition("=")[0]] == value


def test_config_sets_points_over_all_files(overlay):
    methods = "methods={spic: {coarse_quality: [30, 1e1]}, bpg: null, jpeg2000: {bpp: [1e-1]}}"
    config = read_config(ROOT, overlay("methods: {spic: {coarse_bpp: [1]}}"), [methods, "limit=1", "limit=2"])
    assert config["methods"]["spic"] == {"coarse_quality": [30, 10]} and "bpg" not in config["methods"]
    assert config["methods"]["jpeg2000"] == {"bpp": [0.1]} and config["limit"] == 2


def candidates(entry: dict) -> list:
    """Values that an entry of the schema offers."""
    kinds = [entry["type"]] if isinstance(entry["type"], str) else entry["type"]
    some = {"string": "word", "integer": 3, "number": 0.5, "null": None, "array": ["word"], "object": {}}
    return [entry["default"], *entry.get("enum", [some[kind] for kind in kinds])]


@pytest.mark.parametrize("key", sorted(SCHEMA["properties"].keys() - {"methods", "protocols", "device"}))
def test_whatever_the_schema_offers_can_be_set_by_both(key, overlay):
    for value in candidates(SCHEMA["properties"][key]):
        by_file = read_config(ROOT, overlay(yaml.safe_dump({key: value})))
        text = yaml.safe_dump(value, default_flow_style=True).removesuffix("\n...\n").strip()
        assert read_config(ROOT, settings=[f"{key}={text}"]) == by_file, value
        assert value == {} or by_file[key] == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("limit: zero", r"^\$\.limit: 'zero' is not of type 'integer', 'null'$"),
        ("colour: blue", "'colour' was unexpected"),
        ("device: gpu", r"^\$\.device: 'gpu': expected auto, cpu, cuda, or one card as cuda:0$"),
        ("dtype: float16", "'float16' is not one of"),
        (
            "methods: {spic: {coarse_qp: [1], coarse_quality: [1]}}",
            "spic: one list of points, not coarse_qp and coarse_quality",
        ),
        ("methods: {bpg: {qp: []}}", r"\$\.methods\.bpg\.qp: \[\] should be non-empty"),
        ("methods: {bpg: [30]}", r"\$\.methods\.bpg\[0\]: 30 is not of type 'object'"),
        ("methods: null", "methods"),
        ("methods: {1: {qp: [3]}}", "0.yaml: expected names of settings"),
        ("- a", "0.yaml: expected names of settings"),
        ("limit", "0.yaml: expected names of settings"),
        ("a: [", "0.yaml: not YAML"),
    ],
)
def test_a_mistake_is_one_line(overlay, text, message):
    with pytest.raises(ConfigError, match=message) as caught:
        read_config(ROOT, overlay(text))
    assert "\n" not in str(caught.value)


def test_files_that_can_not_be_read_are_named(tmp_path):
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\x00")
    for name, reason in (("none.yaml", "No such file"), ("b.yaml", "not YAML")):
        with pytest.raises(ConfigError, match=f"{name}: {reason}"):
            read_config(ROOT, [tmp_path / name])
    with pytest.raises(ConfigError, match="Is a directory"):
        load(tmp_path)
    with pytest.raises(ConfigError, match=r"--config methods=\[a: not YAML"):
        parse_settings(["methods=[a"], SCHEMA)


def test_paths_begin_at_home_or_are_found_in_the_clone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    settings = ["dataset_root=~/data", "steps_csv=results/published/steps.csv", "sr_weights=runs/sr/w"]
    config = read_config(ROOT, settings=[*settings, "decoder_weights=spic/weights/street-decoder"])
    assert config["dataset_root"] == str(tmp_path / "home" / "data")
    assert config["steps_csv"] == str(ROOT / "results/published/steps.csv")
    assert config["decoder_weights"] == str(ROOT / "spic/weights/street-decoder")  # two files begin like this
    assert config["sr_weights"] == "runs/sr/w"  # nowhere: as it was given
    (tmp_path / "config.yaml").touch()
    assert find("config.yaml", ROOT) == "config.yaml"  # the working folder first
    assert find("~", ROOT) == str(tmp_path / "home")


def test_metrics_find_their_weights_in_the_environment(monkeypatch):
    monkeypatch.setenv("SPIC_FID_WEIGHTS", "~/fid.pth")
    monkeypatch.setenv("SPIC_LPIPS_WEIGHTS", "x.pth")
    config = read_config(ROOT, settings=["lpips_weights=mine.pth"])
    assert config["fid_weights"] == str(Path.home() / "fid.pth") and config["lpips_weights"] == "mine.pth"
