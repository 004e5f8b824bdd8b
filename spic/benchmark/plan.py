"""The plan of a run: what its config means in methods, points, chunks, folders, files and fingerprints.

Plain Python without Snakemake, whose rules declare their jobs and ask here. Everything is worked out when it is asked
for, so that `spic.benchmark.checks` can look at one part of a config after the other and name the one that is wrong.
"""

from functools import cache, cached_property

from spic.benchmark.coding import method_settings, open_dataset
from spic.benchmark.methods import SHIPPED_DECODERS, Method, get_method, point_name
from spic.benchmark.protocols import Protocol, get_protocol
from spic.datasets import Dataset
from spic.errors import ConfigError
from spic.metrics.columns import observations
from spic.provenance import fingerprints
from spic.segmentation import SegmenterInfo, describe_segmenter
from spic.weights import FOLDER, weight_paths

TABLES = ("points", "per_class", "recall", "intervals", "judge", "timing")
_SENT_FOLDERS = {"segmenter": "ssm", "ground_truth": "labels"}
_CODING = ("ssm_codec", "coarse_codec", "seed")


class Plan:
    """What a run makes, and from what.

    A *folder* below is the name of the folder of what one method makes: "spic", or "spic@official" where the method
    works differently under that protocol. Paths are relative to the folder in which the run takes place.

    Parameters
    ----------
    config : dict
        What `spic.benchmark.config.read_config` gave; a test may leave out what it does not ask for.
    hashes : path-like, optional
        Folder in which hashes of large weights files are kept.

    Raises
    ------
    ConfigError, WeightsError, DataError
        By what is asked for where the config is wrong; `spic.benchmark.checks.check_run` asks before the first job.
    """

    def __init__(self, config: dict, hashes=None):
        self.config, self._hashes = config, hashes
        self.method, self.fingerprint, self.coder = cache(self._method), cache(self._fingerprint), cache(self._coder)
        self._hashes_of = cache(lambda *files: fingerprints.weights_hashes(files, hashes))

    @cached_property
    def protocols(self) -> dict[str, Protocol]:
        """The protocols of the run by name, in the order of the config."""
        return {name: get_protocol(name) for name in self.config["protocols"]}

    @property
    def first(self) -> str:
        """Name of the protocol that figures and pages show."""
        return next(iter(self.protocols))

    @cached_property
    def points(self) -> dict[str, dict]:
        """Points of each method, {method: {name of the point: its value}}: {"bpg": {"qp30": 30, "qp40": 40}}."""
        return {
            name: {point_name(parameter, value): value for parameter, values in entry.items() for value in values}
            for name, entry in self.config["methods"].items()
        }

    def _method(self, name: str, protocol: str = "corrected") -> Method:
        """A method as the protocol of that name sees it."""
        return get_method(name, method_settings({**self.config, "protocol": protocol}))

    @cached_property
    def dataset(self) -> Dataset:
        """The data set, opened."""
        return open_dataset(self.config)

    def network(self, kind: str) -> SegmenterInfo:
        """What is known of the "segmenter" or "judge" before it loads."""
        return describe_segmenter(self.config[kind], self.config[f"{kind}_weights"])

    @property
    def chunk_size(self) -> int:
        """Images of a chunk; the last one may hold fewer."""
        return self.config["chunk_size"] or len(self.dataset)

    @cached_property
    def chunks(self) -> list[str]:
        """Names of the chunks: "0000", "0001", ...; one chunk where `chunk_size` is null."""
        return [f"{i:04d}" for i in range(-(-len(self.dataset) // self.chunk_size))]

    @cached_property
    def parts(self) -> dict[str, dict[str, int | None]]:
        """The chunks that each protocol looks at, with how many of their first images count (None: all of them)."""
        return {name: self._part(protocol.pictures) for name, protocol in self.protocols.items()}

    def _part(self, images: int | None) -> dict[str, int | None]:
        if images is None:
            return dict.fromkeys(self.chunks)
        left = {chunk: images - i * self.chunk_size for i, chunk in enumerate(self.chunks)}
        return {chunk: min(self.chunk_size, count) for chunk, count in left.items() if count > 0}

    def painted_chunks(self) -> list[str]:
        """Chunks whose images figures 2 and 3 choose from: of those that the config names, else the first."""
        wanted, names = self.config["figure_pictures"] or [], list(self.dataset.names)
        found = {name: f"{names.index(name) // self.chunk_size:04d}" for name in wanted if name in names}
        for name in wanted:
            if found.get(name) not in self.parts[self.first]:
                raise ConfigError(f"figure_pictures: {name!r} is no picture that protocol {self.first} looks at")
        return sorted(set(found.values())) or self.chunks[:1]

    def sent(self, protocol: str) -> str:
        """Whose label maps are sent under a protocol, "segmenter" or "ground_truth"."""
        asked = get_protocol(protocol).ssm_source
        source = self.config["ssm_source"] if asked is None else asked
        if source == "ground_truth" and self.dataset.labels(0) is None:
            if asked is None:
                raise ConfigError(f"ssm_source ground_truth: data set {self.config['dataset']} has no labels")
            return "segmenter"
        return source

    def segmenter_input(self, protocol: str | None = None) -> str:
        """Size at which the segmenter looks, for the SSM that is sent or as a protocol evaluates."""
        inputs = self.network("segmenter").inputs
        wanted = self.config["segmenter_input"] or inputs[0]
        if wanted not in inputs:
            raise ConfigError(f"segmenter_input {wanted!r}: {self.config['segmenter']} looks at {', '.join(inputs)}")
        own = get_protocol(protocol).segmenter_input if protocol else None
        return own if own in inputs else wanted

    def segmenter_look(self, protocol: str) -> str:
        """Name of the observation by the segmenter that a protocol evaluates."""
        size = self.segmenter_input(protocol)
        return "segmenter" if size == self.segmenter_input() else f"segmenter_{size}"

    @cached_property
    def other_looks(self) -> dict[str, str]:
        """Observations by the segmenter at other sizes than that of the SSM, {name: size}."""
        sizes = {self.segmenter_look(name): self.segmenter_input(name) for name in self.protocols}
        return {name: size for name, size in sizes.items() if name != "segmenter"}

    @property
    def root(self) -> str:
        """Folder of the run."""
        return f"results/{self.config['run']}"

    @cached_property
    def folders(self) -> dict[tuple[str, str], str]:
        """Folder of each (method, protocol); the same wherever two protocols do the same."""
        return {
            (name, protocol): f"{name}@{protocol}"
            if protocol != "corrected" and self.method(name, protocol).follows_protocol
            else name
            for name in self.points
            for protocol in self.protocols
        }

    @cached_property
    def coders(self) -> dict[str, tuple[str, str]]:
        """(method, protocol) of each folder; protocol `corrected`, which need not be in the run, of shared ones."""
        return {
            folder: (name, protocol if "@" in folder else "corrected")
            for (name, protocol), folder in self.folders.items()
        }

    def coder_method(self, folder: str) -> Method:
        """The method at work in a folder."""
        return self.method(*self.coders[folder])

    def value(self, folder: str, point: str):
        """Value of a point of the method of a folder."""
        return self.points[self.coders[folder][0]][point]

    def limit(self, folder: str, chunk: str) -> int | None:
        """How many images of a chunk are coded: all, unless the folder is that of a protocol that stops early."""
        return self.parts[self.coders[folder][1]][chunk] if "@" in folder else None

    def sends(self, folder: str) -> str | None:
        """Whose label maps are sent, "segmenter" or "ground_truth"; None for methods that send none."""
        return self.sent(self.coders[folder][1]) if self.coder_method(folder).needs_ssm else None

    def maps(self, source: str, chunk: str) -> str:
        """Folder of the label maps of a source, as `sent` has it."""
        return f"{self.root}/originals/{chunk}/{_SENT_FOLDERS[source]}"

    def sent_maps(self, folder: str, chunk: str) -> str | list:
        """Folder of the label maps that are sent; empty for methods that send none."""
        source = self.sends(folder)
        return self.maps(source, chunk) if source else []

    def counted(self, folder: str, protocol: str) -> str:
        """Name of the folder of the files whose bytes are the rate."""
        official = self.method(self.coders[folder][0], protocol).counts_officially
        return self.protocols[protocol].counted if official else "coded"

    def of_chunks(self, protocol: str, folder: str, name: str) -> list[str]:
        """A file of every chunk that a protocol looks at, in a folder of the run."""
        return [f"{self.root}/{folder}/{chunk}/{name}" for chunk in self.parts[protocol]]

    def each_point(self) -> list[tuple[str, str, str, str]]:
        """(protocol, method, point, its folder of the run) of all points, in the order of the tables."""
        return [
            (protocol, name, point, f"{self.folders[name, protocol]}/{point}")
            for protocol in self.protocols
            for name, points in self.points.items()
            for point in points
        ]

    def timings(self) -> dict[tuple[str, str, str, str], list[str]]:
        """Timing files, {(protocol, method, point, stage): one file per chunk}."""
        return {
            (protocol, name, point, stage): self.of_chunks(protocol, folder, f"timing_{stage}.csv")
            for protocol, name, point, folder in self.each_point()
            for stage in ("encode", "decode")
        }

    def shown(self, methods, chunks, kind: str) -> list[tuple[str, str, str, str]]:
        """(method, point, chunk, path of its folder `kind`) of the first protocol's points."""
        return [
            (name, point, chunk, f"{self.root}/{self.folders[name, self.first]}/{point}/{chunk}/{kind}")
            for name in methods
            for point in self.points[name]
            for chunk in chunks
        ]

    @cached_property
    def plots(self) -> list[str]:
        """Names of the figures that are drawn from tables."""
        names = ["figure4a", "figure4b", "rate_split", "iou_per_class"]
        return names + ["recall_by_size"] * bool(self.config["judge"]) + ["steps"] * bool(self.config["steps_csv"])

    @cached_property
    def painted(self) -> list[str]:
        """Names of the figures that show images."""
        return ["figure2"] * ("bpg" in self.points) + ["figure3"] if "spic" in self.points else []

    def compressai_files(self) -> list[str]:
        """Result files for CompressAI's tools, one per protocol and method."""
        return [f"{self.root}/tables/compressai/{p}/{name}.json" for p in self.protocols for name in self.points]

    def targets(self) -> list[str]:
        """What a run makes: tables, figures, gallery and a first page (the report follows by itself)."""
        tables = [f"{name}.csv" for name in (*TABLES, "matched", "bd")] + [
            "pictures.parquet",
            "claims.csv",
            "claims.md",
        ]
        figures = [f"{name}.{suffix}" for name in self.plots + self.painted for suffix in ("svg", "png")]
        paths = [f"tables/{name}" for name in tables] + [f"figures/{name}" for name in figures]
        return [f"{self.root}/{path}" for path in (*paths, "gallery", "overview.html")] + self.compressai_files()

    def settings(self, *keys: str) -> dict:
        """The settings that a job depends on; only a change of these runs it again."""
        return {key: self.segmenter_input() if key == "segmenter_input" else self.config[key] for key in keys}

    def coding_settings(self, folder: str, *keys: str) -> dict:
        """The settings of coding in a folder, with its protocol and the weights of its method's decoder."""
        (name, protocol), decoder = self.coders[folder], self.coder_method(folder).decoder
        options = self.config["method_options"].get(name)
        own = {"method_options": {name: options}} if options else {}
        return {**self.settings(*keys, *filter(None, [decoder])), **own, "protocol": protocol}

    def network_files(self, kind: str) -> list[str]:
        """Weights file of the "segmenter" or "judge"; empty where it needs none or there is none."""
        path = None if self.config[kind] is None else self.network(kind).weights
        return [] if path is None else [str(path)]

    def decoder_files(self, method: Method) -> list[str]:
        """Weights file of a method's decoder and the method's other files; empty where it has none."""
        key, own = method.decoder, []
        if key:
            own = [str(weight_paths(self.config[key] or FOLDER / SHIPPED_DECODERS.get(key, ""))[0])]
        return own + [str(path) for path in method.files()]

    def files(self, stage: str) -> list[str]:
        """Files of the user, most of them weights, that a stage other than coding reads."""
        if stage == "figures":
            return [self.config["steps_csv"]] if self.config["steps_csv"] else []
        segmenter = self.network_files("segmenter")
        if stage == "segment":
            return segmenter
        if stage == "figure_pictures":
            methods = [self.method(name, self.first) for name in ("spic", "sr") if name in self.points]
            return segmenter + [path for method in methods for path in self.decoder_files(method)]
        found = observations().values()
        if stage == "look_at_originals":
            found = [one for one in found if not one.paired]
        observed = [str(path) for one in found for path in one.find_weights(self.config) or []]
        if stage == "look_at_originals":
            return self.network_files("judge") + observed + segmenter * bool(self.other_looks)
        return segmenter + self.network_files("judge") + observed

    def weights(self, stage: str) -> dict[str, str]:
        """Hashes of these files, {name: SHA-256}."""
        return self._hashes_of(*self.files(stage))

    def _coder(self, folder: str) -> dict:
        """What coding in a folder depends on: settings, codecs, the decoder's weights."""
        method = self.coder_method(folder)
        code = fingerprints.plugin_version("spic.methods", self.coders[folder][0])
        return {
            "method": self.coders[folder][0],
            "settings": self.coding_settings(folder, *_CODING),
            "codecs": fingerprints.codec_versions(method.codecs()),
            "code": code | fingerprints.library_versions(*["torch"] * bool(method.decoder)),
            "weights": self._hashes_of(*self.decoder_files(method)),
        }

    def counted_codecs(self, folder: str) -> dict[str, str]:
        """Versions of the codecs behind the files that protocol `official` counts."""
        return fingerprints.codec_versions(self.coder_method(folder).counted_codecs())

    def _fingerprint(self, stage: str, *of: str) -> str:
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
                files = fingerprints.pictures_signature(self.dataset, int(chunk) * self.chunk_size, self.chunk_size)
                settings = self.settings("dataset", "dataset_root", "split", "limit", "chunk_size")
                return settings, fingerprints.plugin_version("spic.datasets", self.config["dataset"]), files
            case ["segment", chunk]:
                return self._segmenter(stage), before("resolve"), before("prepare", chunk)
            case ["look_at_originals", chunk]:
                judge = self.settings("judge"), fingerprints.plugin_version("spic.segmenters", self.config["judge"])
                seen = self.other_looks, self.weights(stage), fingerprints.observations_version(paired=False)
                return judge, seen, before("resolve"), before("prepare", chunk)
            case ["score_originals", chunk]:
                return before("segment", chunk), before("look_at_originals", chunk)
            case ["encode", chunk, folder, point]:
                sent = before("segment" if self.sends(folder) == "segmenter" else "prepare", chunk)
                value, limit = self.value(folder, point), self.limit(folder, chunk)
                return self.coder(folder), value, limit, before("prepare", chunk), sent
            case ["count_official", _, folder, _]:
                return self.counted_codecs(folder), before("encode", *of)
            case ["decode", _, _, _]:
                return before("resolve"), before("encode", *of)
            case ["look", chunk, _, _]:
                originals = before("segment", chunk), before("look_at_originals", chunk)
                return (
                    self._segmenter(stage),
                    fingerprints.observations_version(paired=True),
                    originals,
                    before("decode", *of),
                )
            case ["score", chunk, _, _, protocol]:
                return protocol, before("score_originals", chunk), before("look", *of[:3])
            case ["summarize", folder, point, protocol]:
                scores = [before("score", chunk, folder, point, protocol) for chunk in self.parts[protocol]]
                return self.settings("classes_of_interest", "interval_block"), fingerprints.metrics_version(), scores
            case ["tables"]:
                return [before("summarize", *at.rsplit("/", 1), protocol) for protocol, *_, at in self.each_point()]
            case ["compare" | "figures" | "figure_pictures" | "gallery" | "overview"]:
                return before("tables")
        raise ValueError(f"no rule {stage} of {of}")

    def _segmenter(self, stage: str) -> tuple:
        """The segmenter, and all weights of a stage."""
        code = fingerprints.plugin_version("spic.segmenters", self.config["segmenter"])
        return self.settings("segmenter", "segmenter_input"), code, self.weights(stage)
