"""The plan of a run: folders, chunks and fingerprints, without a workflow."""

import shutil
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import spic.benchmark.layout
import spic.plugins
from spic.benchmark import methods
from spic.benchmark.checks import check_classes, check_methods, check_run
from spic.benchmark.config import read_config
from spic.benchmark.methods import CodecMethod
from spic.benchmark.plan import Plan
from spic.errors import ConfigError
from spic.pictures.reading import write_png
from spic.provenance import fingerprints
from spic.report.figures import plots
from spic.weights import FOLDER

ROOT = Path(__file__).resolve().parents[2]
METHODS = {"spic": {"coarse_qp": [35, 40]}, "upsampled": {"coarse_qp": [35]}, "bpg": {"qp": [44]}}
CONFIG = read_config(ROOT, settings=["limit=90", "run=x"]) | {"methods": METHODS}
SEGMENTER = {"segmenter": "street", "segmenter_weights": None, "segmenter_input": None}
ALL_CHUNKS = {25: ["0000", "0001", "0002", "0003"], 62: ["0000", "0001"], None: ["0000"]}
OFFICIAL_PART = {25: {"0000": 25, "0001": 25, "0002": 12}, 62: {"0000": 62}, None: {"0000": 62}}


@pytest.fixture(autouse=True, scope="module")
def entry_points_are_read_once():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spic.plugins, "entry_points", cache(spic.plugins.entry_points))
        yield


def plan_of(**settings) -> Plan:
    return Plan(CONFIG | settings)


@pytest.mark.parametrize("keep", ["all", "scores"])
@pytest.mark.parametrize("chunk_size", ALL_CHUNKS)
@pytest.mark.parametrize("protocols", [["corrected"], ["official"], ["official_unguided", "corrected"]], ids=",".join)
def test_folders_and_chunks_of_every_kind_of_run(protocols, chunk_size, keep):
    plan = plan_of(protocols=protocols, chunk_size=chunk_size, keep=keep)
    assert plan.first == protocols[0] and plan.chunks == ALL_CHUNKS[chunk_size]
    coders = {"bpg": ("bpg", "corrected"), "upsampled": ("upsampled", "corrected")}
    for protocol in protocols:
        corrected = protocol == "corrected"
        own = "spic" if corrected else f"spic@{protocol}"
        coders[own] = ("spic", protocol)
        assert [plan.folders[name, protocol] for name in METHODS] == [own, "upsampled", "bpg"]
        part = dict.fromkeys(plan.chunks) if corrected else OFFICIAL_PART[chunk_size]
        assert plan.parts[protocol] == part
        chunk = list(part)[-1]
        assert plan.limit(own, chunk) == part[chunk] and plan.limit("bpg", chunk) is None  # shared ones have all
        assert plan.counted(own, protocol) == plan.counted("upsampled", protocol)
        assert plan.counted(own, protocol) == ("coded" if corrected else "counted_official")
        assert plan.counted("bpg", protocol) == "coded"
        scores = [f"results/x/{own}/coarse_qp35/{chunk}/scores.npz" for chunk in part]
        assert plan.of_chunks(protocol, f"{own}/coarse_qp35", "scores.npz") == scores
        assert plan.timings()[protocol, "bpg", "qp44", "decode"] == [
            f"results/x/bpg/qp44/{chunk}/timing_decode.csv" for chunk in part
        ]
        assert f"results/x/tables/compressai/{protocol}/bpg.json" in plan.targets()
    assert plan.coders == coders
    points = [("spic", "coarse_qp35"), ("spic", "coarse_qp40"), ("upsampled", "coarse_qp35"), ("bpg", "qp44")]
    assert [(name, point) for _, name, point, _ in plan.each_point()] == points * len(protocols)
    kept = plan.shown(METHODS, plan.chunks[:1], plan.kept)
    folder = {"all": "decoded", "scores": "shown"}[keep]
    assert kept[-1] == ("bpg", "qp44", "0000", f"results/x/bpg/qp44/0000/{folder}") and len(kept) == 4


@pytest.mark.parametrize("protocol", ["corrected", "official", "official_unguided"])
def test_every_protocol_passes_the_checks(protocol):
    check_run(plan_of(protocols=[protocol]), points=False)


@pytest.mark.parametrize(
    ("settings", "missing"),
    [
        ({}, {"steps"}),
        ({"judge": None}, {"recall_by_size", "steps"}),
        ({"steps_csv": "s.csv", "methods": {"spic": {"coarse_qp": [35]}}}, {"figure2"}),
        ({"methods": {"bpg": {"qp": [44]}}}, {"figure2", "figure3", "steps"}),
    ],
)
def test_figures_are_those_that_the_run_has_data_for(settings, missing):
    plan = plan_of(**settings)
    names = {"figure4a", "figure4b", "rate_split", "iou_per_class", "recall_by_size", "steps", "figure2", "figure3"}
    targets = plan.targets(plots(plan.config))
    assert {Path(path).stem for path in targets if "/figures/" in path} == names - missing
    assert len(targets) == len(set(targets))


def test_points_are_named_by_their_setting_and_keep_their_names():
    points = plan_of(methods={"jpeg2000": {"bpp": [1e-05, 0.1, 1]}}).points
    assert points == {"jpeg2000": {"bpp1e-05": {"bpp": 1e-05}, "bpp0.1": {"bpp": 0.1}, "bpp1": {"bpp": 1}}}


class Layered(CodecMethod):
    """A method of two parameters."""

    def __init__(self, settings):
        super().__init__(settings, "bpg")
        self.parameter = ("coarse_qp", "residual_qp")

    def check_point(self, value):
        for key in self.parameter:
            if value[key] > 51:
                raise ConfigError(f"{key} must be a number from 0 to 51, got {value[key]}")


def test_a_point_of_two_parameters(monkeypatch, tmp_path):
    monkeypatch.setitem(methods._BUILT_IN, "layered", Layered)
    name, values = "coarse_qp35_residual_qp40", {"coarse_qp": 35, "residual_qp": 40}
    (tmp_path / "o.yaml").write_text("methods: {layered: [{coarse_qp: 35, residual_qp: 40}], spic: null}")
    for given in (
        {"overlays": [tmp_path / "o.yaml"]},
        {"settings": ["methods={layered: [{coarse_qp: 35, residual_qp: 40}], spic: null}"]},
    ):
        plan = Plan(read_config(ROOT, **given))
        check_run(plan)
        assert plan.points["layered"] == {name: values} and plan.value("layered", name) == values
        assert ("corrected", "layered", name, f"layered/{name}") in plan.each_point()
        assert all(f"layered/{name}/" in path for _, _, _, path in plan.shown(["layered"], ["0000"], "coded"))
        assert plan.fingerprint("encode", "0000", "layered", name)
    other = plan_of(methods={"layered": [values | {"residual_qp": 41}]})
    assert other.fingerprint("encode", "0000", "layered", "coarse_qp35_residual_qp41") != plan.fingerprint(
        "encode", "0000", "layered", name
    )
    listed = plan_of(methods={"bpg": [{"qp": 44}]})  # the long form of one parameter is the short one
    assert listed.points == plan_of(methods={"bpg": {"qp": [44]}}).points and listed.value("bpg", "qp44") == 44


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{coarse_qp: [35]}", "layered is set by 'coarse_qp' and 'residual_qp', not 'coarse_qp'"),
        ("[{coarse_qp: 35, residual_qp: 40}, {coarse_qp: 35}]", "'coarse_qp' and 'residual_qp', not 'coarse_qp'"),
        ("[{coarse_qp: 35, residual_qp: 52}]", "methods.layered: residual_qp must be a number from 0 to 51"),
        ("[{coarse_qp: 35, residual_qp: [40]}]", r"methods.layered\[0\].residual_qp"),
        ("[{coarse_qp: 35, residual_qp: 4}, {residual_qp: 4, coarse_qp: 35}]", "non-unique"),
        ("[]", "methods.layered"),
        ("[{}]", "methods.layered"),
        ("[35]", "methods.layered"),
        ("{coarse_qp: [35], residual_qp: [40]}", "one list of points, not coarse_qp and residual_qp"),
    ],
)
def test_points_of_two_parameters_that_can_not_be(entry, message, monkeypatch):
    monkeypatch.setitem(methods._BUILT_IN, "layered", Layered)
    with pytest.raises(ConfigError, match=message) as caught:
        check_run(Plan(read_config(ROOT, settings=[f"methods={{layered: {entry}}}"])))
    assert "\n" not in str(caught.value)


def test_methods_and_parameters_are_checked():
    check_methods(Plan({"methods": {"bpg": {"qp": [40]}}}))
    ours = {"sr": {"coarse_qp": [40]}, "sdm": {"simplify": [0]}, "spic_20": {"coarse_qp": [40]}}
    check_methods(Plan({"methods": ours}))
    check_methods(Plan({"methods": {"sr": {"coarse_qp": [40]}}, "sr_weights": "w"}))
    for entry, message in (
        ({"bpg": {"quality": [40]}}, "by 'qp', not 'quality'"),
        ({"nonsense": {"qp": [40]}}, "nonsense"),
        ({}, "no method is left"),
    ):
        with pytest.raises(ConfigError, match=message):
            check_methods(Plan({"methods": entry}))


def test_methods_whose_weights_are_not_shipped(shipping):
    with pytest.raises(ConfigError, match="spic_20 needs spic_20_weights"):
        check_methods(Plan({"methods": {"spic_20": {"coarse_qp": [40]}}}))


class Unlabelled:
    def labels(self, i):
        return None


def test_whose_ssm_is_sent():
    plan, asked = plan_of(), plan_of(ssm_source="ground_truth")
    assert plan.sent("corrected") == "segmenter" and plan.sent("official") == asked.sent("corrected") == "ground_truth"
    plan.dataset = asked.dataset = Unlabelled()
    assert plan.sent("official") == "segmenter"
    with pytest.raises(ConfigError, match="no labels"):
        asked.sent("corrected")


def test_a_folder_that_protocols_share_sends_what_its_tables_say():
    named = METHODS | {"sdm": {"simplify": [0]}}
    for source, maps in (("segmenter", "ssm"), ("ground_truth", "labels")):
        plan = plan_of(methods=named, sdm_weights="w", protocols=["official"], ssm_source=source)
        assert plan.sends("sdm") == source and plan.sent_maps("sdm", "0001") == f"results/x/originals/0001/{maps}"
        assert plan.sends("spic@official") == "ground_truth"
        assert plan.sends("bpg") is None and plan.sent_maps("bpg", "0001") == []


def test_classes_of_interest_are_checked_before_anything_runs():
    check_classes(Plan(SEGMENTER | {"classes_of_interest": ["car", "pedestrian"]}))
    check_classes(Plan(SEGMENTER | {"classes_of_interest": None}))
    with pytest.raises(ConfigError, match=r"'cat'.*pedestrian"):
        check_classes(Plan(SEGMENTER | {"classes_of_interest": ["cat"]}))


def test_the_segmenter_looks_at_its_own_size_unless_it_has_that_of_the_protocol(monkeypatch):
    plan = Plan(SEGMENTER)
    assert plan.segmenter_input() == plan.segmenter_input("official") == "working"
    with pytest.raises(ConfigError, match="'native'"):
        Plan(SEGMENTER | {"segmenter_input": "native"}).segmenter_input()

    class Info:
        inputs = ("sliding", "native", "working")

    monkeypatch.setattr(spic.benchmark.layout, "describe_segmenter", lambda name, weights: Info)
    plan = Plan(SEGMENTER)
    assert plan.segmenter_input() == plan.segmenter_input("corrected") == "sliding"
    plan = Plan(SEGMENTER | {"segmenter_input": "working", "protocols": ["corrected", "official"]})
    assert plan.segmenter_input("official") == "native" and plan.settings("segmenter_input")["segmenter_input"] == (
        "working"
    )
    assert plan.segmenter_look("corrected") == "segmenter" and plan.segmenter_look("official") == "segmenter_native"
    assert plan.other_looks == {"segmenter_native": "native"}


def test_segmenters_name_the_files_their_jobs_read():
    (shipped,) = plan_of().files("segment")
    assert shipped.endswith("street-segmenter.safetensors")
    assert plan_of(judge=None).network_files("judge") == []
    judge = plan_of().network_files("judge")
    assert plan_of().files("look")[:2] == [shipped, *judge] and plan_of().files("look_at_originals")[0] == judge[0]


def test_settings_of_metrics_weights_reach_the_metrics():
    """Those of networks that code do not: other decoder weights let no network look again at the originals."""
    plan = plan_of(fid_weights="f.pth", decoder_weights="d.pth")
    plan.config["dists_weights"] = "own.pth"  # of a metric that is new here
    assert plan.metric_weights == {"fid_weights": "f.pth", "lpips_weights": None, "dists_weights": "own.pth"}


def test_figure_pictures_come_from_images_that_the_first_protocol_looks_at():
    names = plan_of().dataset.names
    for wanted, chunks in ((None, ["0000"]), ([names[30], names[3]], ["0000", "0001"]), ([names[89]], ["0003"])):
        assert plan_of(chunk_size=25, figure_pictures=wanted).painted_chunks() == chunks
    for protocols, wanted in ((["corrected"], "nobody"), (["official"], names[89])):
        with pytest.raises(ConfigError, match=f"figure_pictures: '{wanted}' is no picture that .* {protocols[0]}"):
            check_run(plan_of(chunk_size=25, figure_pictures=[wanted], protocols=protocols), points=False)


AT = ("0000", "spic", "coarse_qp35")
JOBS = {
    "resolve": (),
    "prepare": ("0000",),
    "segment": ("0000",),
    "look_at_originals": ("0000",),
    "score_originals": ("0000",),
    "encode": AT,
    "encode bpg": ("0000", "bpg", "qp44"),
    "count_official": ("0000", "upsampled", "coarse_qp35"),
    "decode": AT,
    "look": AT,
    "score": (*AT, "corrected"),
    "summarize": (*AT[1:], "corrected"),
    "tables": (),
    **dict.fromkeys(["compare", "figures", "figure_pictures", "gallery", "overview"], ()),
}
PAGES = {"tables", "compare", "figures", "figure_pictures", "gallery", "overview"}
NUMBERS = {"look", "score", "summarize", *PAGES}
CODING = {"encode", "decode", *NUMBERS}


def prints(plan: Plan) -> dict[str, str]:
    return {job: plan.fingerprint(job.split()[0], *of) for job, of in JOBS.items()}


@pytest.fixture(scope="module")
def before() -> dict[str, str]:
    return prints(plan_of())


@pytest.mark.parametrize(
    ("settings", "changed"),
    [
        ({"run": "y", "keep": "scores", "gallery": {"pictures": 1, "bpp": 1}, "figure_pictures": []}, set()),
        ({"device": "cpu"}, {"resolve", "segment", "look_at_originals", "score_originals", *CODING}),
        ({"split": "train"}, set(JOBS) - {"resolve"}),
        ({"chunk_size": 90}, set(JOBS) - {"resolve"}),
        ({"seed": 1}, CODING | {"encode bpg", "count_official"}),
        ({"decoder_weights": "any"}, CODING),
        ({"ssm_codec": "labelmap"}, CODING | {"encode bpg", "count_official"}),
        ({"judge": None}, {"look_at_originals", "score_originals", *NUMBERS}),
        (
            {"judges": {"second": {"segmenter": "street", "weights": None}}},
            {"look_at_originals", "score_originals", *NUMBERS},
        ),
        ({"classes_of_interest": ["car"]}, {"summarize", *PAGES}),
        ({"interval_block": 9}, {"summarize", *PAGES}),
        ({"frame_rate": 15}, PAGES),
        ({"methods": METHODS | {"bpg": {"qp": [44, 45]}}}, PAGES),
        ({"method_options": {"bpg": {}}}, set()),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_a_setting_changes_what_depends_on_it_and_no_more(settings, changed, before, tmp_path):
    (tmp_path / "any.safetensors").write_bytes(b"weights, which nobody loads here")
    shutil.copy(FOLDER / "street-decoder.json", tmp_path / "any.json")
    settings = {key: str(tmp_path / "any") if value == "any" else value for key, value in settings.items()}
    after = prints(plan_of(**settings))
    assert {job for job in JOBS if after[job] != before[job]} == changed


@pytest.mark.parametrize(
    ("stage", "changed"),
    [
        ("prepare", set(JOBS) - {"resolve"}),
        ("segment", {"segment", "score_originals", *CODING}),
        ("encode", {*CODING, "encode bpg", "count_official"}),
        ("count", {"count_official"}),
        ("look", {"look_at_originals", "score_originals", *NUMBERS}),
        ("score", {"score_originals", "score", "summarize", *PAGES}),
        ("gallery", {"gallery"}),
    ],
)
def test_a_raised_version_changes_its_stage_and_what_comes_after(stage, changed, before, monkeypatch):
    monkeypatch.setitem(fingerprints.VERSIONS, stage, 99)
    after = prints(plan_of())
    assert {job for job in JOBS if after[job] != before[job]} == changed


def test_files_count_by_content(tmp_path):
    (tmp_path / "w.pth").write_bytes(b"weights")
    settings = {"fid_weights": str(tmp_path / "w.pth")}
    before, again = prints(plan_of(**settings)), prints(plan_of(**settings))
    assert before == again
    (tmp_path / "w.pth").write_bytes(b"others")
    after = prints(plan_of(**settings))
    assert {job for job in JOBS if after[job] != before[job]} == {"look_at_originals", "score_originals", *NUMBERS}


def test_an_image_that_changes_counts_in_its_chunk_alone(tmp_path):
    for name in "abc":
        write_png(tmp_path / f"{name}.png", np.zeros((32, 64, 3), np.uint8))
    own = {"dataset": "folder", "dataset_root": str(tmp_path), "chunk_size": 2, "limit": None}
    before = [plan_of(**own).fingerprint("encode", chunk, "bpg", "qp44") for chunk in ("0000", "0001")]
    write_png(tmp_path / "c.png", np.zeros((64, 64, 3), np.uint8))
    after = [plan_of(**own).fingerprint("encode", chunk, "bpg", "qp44") for chunk in ("0000", "0001")]
    assert after[0] == before[0] and after[1] != before[1]


@pytest.mark.parametrize("job", [("nonsense",), ("encode", "0000"), ("tables", "0000")], ids=str)
def test_a_job_that_no_rule_has_is_no_fingerprint(job):
    with pytest.raises((ValueError, KeyError)):
        plan_of().fingerprint(*job)


def test_the_gallery_plays_clips_whose_images_stay():
    names = plan_of().dataset.names
    assert plan_of().clip(["0000"]) is None and plan_of(frame_rate=15, keep="scores").clip(["0000"]) is None
    assert plan_of(frame_rate=15, limit=1).clip(["0000"]) is None  # one image is no clip
    assert plan_of(frame_rate=15).clip(["0000"]) == {"rate": 15, "frames": {"0000": names}}
    assert plan_of(methods={"hevc": {"qp": [40]}}, chunk_size=25).clip(["0000", "0003"]) == {
        "rate": 25,
        "frames": {"0000": names[:25], "0003": names[75:]},
    }
    official = plan_of(frame_rate=15, chunk_size=50, protocols=["official"])
    assert official.clip(["0000", "0001"])["frames"] == {"0000": names[:50], "0001": names[50:62]}
