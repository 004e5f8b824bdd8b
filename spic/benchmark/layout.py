"""Where everything of a run lies: its methods, points, chunks and protocols, and the folders and files of each.

Plain Python without Snakemake. Everything is worked out when it is asked for, so that `spic.benchmark.checks` can look
at one part of a config after the other and name the one that is wrong.
"""

from functools import cache, cached_property
from itertools import count

from spic.benchmark.coding import method_settings, open_dataset
from spic.benchmark.method import Method
from spic.benchmark.methods import get_method, point_name
from spic.benchmark.protocols import Protocol, get_protocol
from spic.datasets import Dataset
from spic.errors import ConfigError
from spic.pictures.clips import FOLDER_RATE
from spic.segmentation import SegmenterInfo, describe_segmenter

TABLES = ("points", "per_class", "recall", "intervals", "judge", "timing")


class Layout:
    """What a run makes, and where.

    A *folder* below is the name of the folder of what one method makes: "spic", or "spic@official" where the method
    works differently under that protocol. Paths are relative to the folder in which the run takes place.

    Parameters
    ----------
    config : dict
        What `spic.benchmark.config.read_config` gave; a test may leave out what it does not ask for.

    Raises
    ------
    ConfigError, WeightsError, DataError
        By what is asked for where the config is wrong; `spic.benchmark.checks.check_run` asks before the first job.
    """

    remembered = ("method", "network")  # methods whose answers are kept, as every job asks for them

    def __init__(self, config: dict):
        self.config = config
        for name in self.remembered:
            setattr(self, name, cache(getattr(self, name)))

    @cached_property
    def protocols(self) -> dict[str, Protocol]:
        """The protocols of the run by name, in the order of the config."""
        return {name: get_protocol(name) for name in self.config["protocols"]}

    @property
    def first(self) -> str:
        """Name of the protocol that figures and pages show."""
        return next(iter(self.protocols))

    @cached_property
    def points(self) -> dict[str, dict[str, dict]]:
        """Points of each method, {method: {name of the point: its parameters}}: {"bpg": {"qp30": {"qp": 30}}}."""
        return {
            # {"qp": [30, 40]} is short for [{"qp": 30}, {"qp": 40}]
            name: {
                point_name(point): point
                for point in (entry if isinstance(entry, list) else [{k: v} for k in entry for v in entry[k]])
            }
            for name, entry in self.config["methods"].items()
        }

    def method(self, name: str, protocol: str = "corrected") -> Method:
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
        return {
            name: {
                chunk: None if protocol.pictures is None else min(self.chunk_size, protocol.pictures - first)
                for chunk, first in zip(self.chunks, count(0, self.chunk_size), strict=False)
                if protocol.pictures is None or first < protocol.pictures
            }
            for name, protocol in self.protocols.items()
        }

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
        source = asked or self.config["ssm_source"]
        if source != "ground_truth" or self.dataset.labels(0) is not None:
            return source
        if asked is None:
            raise ConfigError(f"ssm_source ground_truth: data set {self.config['dataset']} has no labels")
        return "segmenter"

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
        own = self.segmenter_input()
        sizes = dict.fromkeys(map(self.segmenter_input, self.protocols))
        return {f"segmenter_{size}": size for size in sizes if size != own}

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

    def value(self, method: str, point: str):
        """A point as `Method.encode` takes it: the value of its one parameter, or {parameter: value}."""
        parameters = self.points[method][point]
        return parameters if len(parameters) > 1 else next(iter(parameters.values()))

    def limit(self, folder: str, chunk: str) -> int | None:
        """How many images of a chunk are coded: all, unless the folder is that of a protocol that stops early."""
        return self.parts[self.coders[folder][1]][chunk] if "@" in folder else None

    def sends(self, folder: str) -> str | None:
        """Whose label maps are sent, "segmenter" or "ground_truth"; None for methods that send none."""
        return self.sent(self.coders[folder][1]) if self.coder_method(folder).needs_ssm else None

    def maps(self, source: str, chunk: str) -> str:
        """Folder of the label maps of a source, as `sent` has it."""
        return f"{self.root}/originals/{chunk}/{'ssm' if source == 'segmenter' else 'labels'}"

    def sent_maps(self, folder: str, chunk: str) -> str | list:
        """Folder of the label maps that are sent; empty for methods that send none."""
        source = self.sends(folder)
        return self.maps(source, chunk) if source else []

    def counted(self, folder: str, protocol: str) -> str:
        """Name of the folder of the files whose bytes are the rate."""
        method = self.method(self.coders[folder][0], protocol)
        return self.protocols[protocol].counted if method.counts_officially else "coded"

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

    @property
    def kept(self) -> str:
        """Name of the folders of decoded images that stay: all of them, or those that the gallery shows."""
        return "shown" if self.config["keep"] == "scores" else "decoded"

    def clip(self, chunks) -> dict | None:
        """What the gallery plays, {rate: frames per second, frames: {chunk: names}}.

        None where the images are no clip (no `frame_rate`, and no method that codes clips) or do not stay.
        """
        of_clips = self.config["frame_rate"] or any(self.method(name, self.first).of_clips for name in self.points)
        parts, size = self.parts[self.first], self.chunk_size
        frames = {chunk: self.dataset.names[int(chunk) * size :][:size][: parts[chunk]] for chunk in chunks}
        if not of_clips or self.kept != "decoded" or sum(map(len, frames.values())) < 2:
            return None
        return {"rate": float(self.config["frame_rate"] or FOLDER_RATE), "frames": frames}

    @cached_property
    def painted(self) -> list[str]:
        """Names of the figures that show images."""
        return ["figure2"] * ("bpg" in self.points) + ["figure3"] if "spic" in self.points else []

    def compressai_files(self) -> list[str]:
        """Result files for CompressAI's tools, one per protocol and method that has a rate."""
        names = [name for name in self.points if self.method(name).has_rate]
        return [f"{self.root}/tables/compressai/{p}/{name}.json" for p in self.protocols for name in names]

    def targets(self, plots=()) -> list[str]:
        """What a run makes: tables, figures (`plots` and `painted`), gallery and first page; then comes the report."""
        paths = [f"tables/{name}.csv" for name in (*TABLES, "matched", "margins", "bd")]
        paths += ["tables/pictures.parquet", "tables/claims.csv", "tables/claims.md"]
        drawn = [*plots, *self.painted]
        if self.config["channel"]:
            drawn.append("channel")
            paths += ["tables/channel.csv", "channel.html"]
        paths += [f"figures/{name}.{suffix}" for name in drawn for suffix in ("svg", "png")]
        return [f"{self.root}/{path}" for path in (*paths, "gallery", "overview.html")] + self.compressai_files()
