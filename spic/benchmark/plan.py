"""The plan of a run: where everything lies, and what each job depends on.

The rules of the workflow declare their jobs and ask here; nothing of this needs Snakemake.
"""

from spic.benchmark.anchors import anchor_path
from spic.benchmark.config import find
from spic.benchmark.layout import Layout
from spic.benchmark.lost import averaged_images, training_split
from spic.benchmark.method import Method
from spic.channel.losses import MEASURED
from spic.metrics.columns import observations
from spic.provenance import fingerprints
from spic.scsrdm.info import CONDITIONS, decoder_path
from spic.segmentation import SegmenterInfo, describe_segmenter
from spic.weights import sha256, weight_paths

_CODING = ("ssm_codec", "coarse_codec", "seed")


class Plan(Layout):
    """The layout of a run, and the settings, files and fingerprints of its jobs.

    Parameters
    ----------
    config : dict
        As `Layout` has it.
    hashes : path-like, optional
        Folder in which hashes of large weights files are kept.
    clone : path-like
        Folder of the workflow, where `anchors` are looked for.
    """

    remembered = (*Layout.remembered, "weights", "coder", "counted_codecs", "fingerprint", "_segmenter")

    def __init__(self, config: dict, hashes=None, clone="."):
        super().__init__(config)
        self._hashes, self._clone = hashes, clone

    def settings(self, *keys: str) -> dict:
        """The settings that a job depends on; only a change of these runs it again."""
        return {key: self.segmenter_input() if key == "segmenter_input" else self.config[key] for key in keys}

    def coding_settings(self, folder: str, *keys: str) -> dict:
        """The settings of coding in a folder, with its protocol and the weights of its method's decoder."""
        (name, protocol), method = self.coders[folder], self.coder_method(folder)
        settings = self.settings(*keys, *filter(None, [method.decoder]), *method.reads)
        if options := self.config["method_options"].get(name):
            settings["method_options"] = {name: options}
        return {**settings, "protocol": protocol}

    def networks(self, kind: str) -> list[SegmenterInfo]:
        """What is known of the "segmenter", "judge" or "judges" before they load; empty where there is none."""
        if kind == "judges":
            return [describe_segmenter(one["segmenter"], one["weights"]) for one in self.config[kind].values()]
        return [self.network(kind)] if self.config[kind] is not None else []

    @property
    def metric_weights(self) -> dict:
        """The settings that name weights files of metrics: all `*_weights` that are not of a network of the coding."""
        networks = ("segmenter_weights", "judge_weights", "ldm_weights", *CONDITIONS)
        return {key: self.config[key] for key in self.config if key.endswith("_weights") and key not in networks}

    def network_files(self, kind: str) -> list[str]:
        """Their files, weights most of them; empty where they need none."""
        found = self.networks(kind)
        return [str(file) for one in found for file in (one.weights, *one.beside) if file is not None]

    def decoder_files(self, method: Method) -> list[str]:
        """Weights file of a method's decoder and the method's other files; empty where it has none."""
        files = method.files()
        if method.decoder:
            files = [weight_paths(decoder_path(method.decoder, self.config[method.decoder]))[0], *files]
        return list(map(str, files))

    def files(self, stage: str) -> list[str]:
        """Files of the user, most of them weights, that a stage other than coding reads."""
        segmenter, judge = self.network_files("segmenter"), self.network_files("judge") + self.network_files("judges")
        seen = [one for one in observations().values() if stage == "look" or not one.paired]
        observed = [str(path) for one in seen for path in one.find_weights(self.metric_weights) or []]
        drawn_by = [self.method(name, self.first) for name in self.uncompressed[1:]]
        return {
            "segment": segmenter,
            "look_at_originals": judge + observed + segmenter * bool(self.other_looks),
            "look": segmenter + judge + observed,
            "compare": [self.config[key] for key in ("second_segmenter", "steps_csv") if self.config[key]],
            "figures": [*filter(None, [self.config["steps_csv"]]), *self.anchors],
            "figure_pictures": segmenter + [path for method in drawn_by for path in self.decoder_files(method)],
        }[stage]

    @property
    def anchors(self) -> list[str]:
        """Files of the published numbers that figures 4a and 4b show."""
        return [find(anchor_path(name), self._clone) for name in self.config["anchors"]]

    @property
    def uncompressed(self) -> list[str]:
        """Methods in figure 3, in its order: "upsampled" and what the run has of the others."""
        return ["upsampled", *(name for name in ("sr", "ldm", "spic") if name in self.points)]

    def figure_settings(self) -> dict:
        """The settings of coding that figures 2 and 3 depend on."""
        keys = ["ssm_codec", "coarse_codec", "decoder_weights", "sr_weights", "seed"]
        keys += ["ldm_weights", "method_options"] * ("ldm" in self.points)
        return {**self.settings(*keys), "protocol": self.first}

    def weights(self, stage: str) -> dict[str, str]:
        """Hashes of these files, {name: SHA-256}."""
        return fingerprints.weights_hashes(self.files(stage), self._hashes)

    def coder(self, folder: str) -> dict:
        """What coding in a folder depends on: settings, codecs, the decoder's weights."""
        name, method = self.coders[folder][0], self.coder_method(folder)
        return {
            "method": name,
            "settings": self.coding_settings(folder, *_CODING),
            "codecs": fingerprints.codec_versions(method.codecs()),
            "code": fingerprints.plugin_version("spic.methods", name)
            | fingerprints.library_versions(*["torch"] * bool(method.decoder), *method.libraries),
            "weights": fingerprints.weights_hashes(self.decoder_files(method), self._hashes),
        }

    def channel_points(self) -> list[dict]:
        """What the channel needs of each point of the first protocol: names, settings, files of its chunks."""
        return [
            {
                "method": name,
                "point": point,
                "parameters": self.points[name][point],
                "settings": self.coding_settings(self.folders[name, protocol], *_CODING),
                "scores": self.of_chunks(protocol, folder, f"scores_{protocol}.npz"),
                "coded": self.of_chunks(protocol, folder, "coded"),
            }
            for protocol, name, point, folder in self.each_point()
            if protocol == self.first
        ]

    def counted_codecs(self, folder: str) -> dict[str, str]:
        """Versions of the codecs behind the files that protocol `official` counts."""
        return fingerprints.codec_versions(self.coder_method(folder).counted_codecs())

    def fingerprint(self, stage: str, *of: str) -> str:
        """Hash of all that the result of a rule depends on, what comes before it included.

        `of` are, as far as the rule has them, the chunk, folder, point and protocol, in this order.
        """
        return fingerprints.digest(stage, fingerprints.stage_version(stage), self._made_from(stage, *of))

    def _made_from(self, stage: str, *of: str):
        before = self.fingerprint
        match stage, *of:
            case ["resolve"]:
                return self.settings("device", "dtype", "torch_threads")
            case ["prepare", chunk]:
                return (
                    self.settings("dataset", "dataset_root", "split", "limit", "chunk_size"),
                    fingerprints.plugin_version("spic.datasets", self.config["dataset"]),
                    fingerprints.pictures_signature(self.dataset, int(chunk) * self.chunk_size, self.chunk_size),
                )
            case ["segment", chunk]:
                return *self._segmenter(stage), before("resolve"), before("prepare", chunk)
            case ["look_at_originals", chunk]:
                judge, judges = self.config["judge"], {k: v["segmenter"] for k, v in self.config["judges"].items()}
                return (
                    judge,
                    judges,
                    [fingerprints.segmenter_version(kind) for kind in (judge, *judges.values())],
                    self.other_looks,
                    self.weights(stage),
                    fingerprints.observations_version(paired=False),
                    before("resolve"),
                    before("prepare", chunk),
                )
            case ["score_originals", chunk]:
                return before("segment", chunk), before("look_at_originals", chunk)
            case ["encode", chunk, folder, point]:
                return (
                    self.coder(folder),
                    self.value(self.coders[folder][0], point),
                    self.limit(folder, chunk),
                    before("prepare", chunk),
                    before("segment" if self.sends(folder) == "segmenter" else "prepare", chunk),
                )
            case ["count_official", _, folder, _]:
                return self.counted_codecs(folder), before("encode", *of)
            case ["decode", _, _, _]:
                return before("resolve"), before("encode", *of)
            case ["look", chunk, _, _]:
                return (
                    *self._segmenter(stage),
                    fingerprints.observations_version(paired=True),
                    before("segment", chunk),
                    before("look_at_originals", chunk),
                    before("decode", *of),
                )
            case ["score", chunk, _, _, protocol]:
                return protocol, before("score_originals", chunk), before("look", *of[:3])
            case ["summarize", folder, point, protocol]:
                return (
                    self.settings("classes_of_interest", "interval_block"),
                    fingerprints.metrics_version(),
                    [before("score", chunk, folder, point, protocol) for chunk in self.parts[protocol]],
                )
            case ["mean_images", chunk]:
                shown = training_split(self.config)
                files = [fingerprints.pictures_signature(shown, i, 1) for i in averaged_images(shown)]
                return files, before("prepare", chunk)
            case ["look_at_lost", chunk]:
                seen = *self._segmenter("look"), fingerprints.observations_version(paired=True)
                return *seen, before("segment", chunk), before("look_at_originals", chunk), before("mean_images", chunk)
            case ["score_lost", chunk]:
                return self.first, before("score_originals", chunk), before("look_at_lost", chunk)
            case ["channel"]:
                lost = [before("score_lost", chunk) for chunk in self.parts[self.first]]
                own = self.config["channel"], sha256(MEASURED), fingerprints.metrics_version()
                return *own, self.settings("interval_block"), before("tables"), lost
            case ["channel_figure"]:
                return before("channel")
            case ["tables"]:
                points = [before("summarize", *at.rsplit("/", 1), protocol) for protocol, *_, at in self.each_point()]
                return points, self.settings("frame_rate")
            case ["compare" | "figures" | "figure_pictures" | "gallery" | "overview"]:
                return before("tables")
        raise ValueError(f"no rule {stage} of {of}")

    def _segmenter(self, stage: str) -> tuple:
        """The segmenter, and all weights of a stage."""
        code = fingerprints.segmenter_version(self.config["segmenter"])
        return self.settings("segmenter", "segmenter_input"), code, self.weights(stage)
