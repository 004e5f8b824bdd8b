# What each job's result depends on, by content; a change runs it again whatever the dates of files say.
from functools import cache

from spic.provenance.fingerprints import (
    codec_versions,
    digest,
    library_versions,
    metrics_version,
    observations_version,
    pictures_signature,
    plugin_version,
    stage_version,
    weights_hashes,
)

HASHES = "results/cache/hashes"  # of large weights files; may be deleted
MACHINE = ("device", "dtype", "torch_threads")
DATASET = stages.open_dataset(config)
CHUNK_SIZE = config["chunk_size"] or len(DATASET)
ORIGINALS_WEIGHTS = (
    JUDGE_WEIGHTS + ORIGINALS_OBSERVED + SEGMENTER_WEIGHTS * bool(OTHER_LOOKS)
)
LOOK_WEIGHTS = SEGMENTER_WEIGHTS + JUDGE_WEIGHTS + OBSERVED


@cache
def weights_of(files):
    return weights_hashes(files, HASHES)


def weights(files):
    """Hashes of weights files, {name: SHA-256}."""
    return weights_of(tuple(files))


@cache
def source(chunk):
    """The data set's files of a chunk."""
    return pictures_signature(DATASET, int(chunk) * CHUNK_SIZE, CHUNK_SIZE)


@cache
def coder(name):
    """What coding by a folder's method depends on: settings, codecs, the decoder's weights."""
    method, protocol = CODERS[name]
    made = method_under(method, protocol)
    return {
        "method": method,
        "settings": coding_of(name, "ssm_codec", "coarse_codec", "seed"),
        "codecs": codec_versions(made.codecs()),
        "code": plugin_version("spic.methods", method)
        | library_versions(*["torch"] * bool(made.decoder)),
        "weights": weights(stages.decoder_files(made, config)),
    }


@cache
def counted_codecs(name):
    """Versions of the codecs behind the files that protocol `official` counts."""
    return codec_versions(method_under(*CODERS[name]).counted_codecs())


def identity_resolve():
    return settings(*MACHINE)


def identity_prepare(chunk):
    keys = ("dataset", "dataset_root", "split", "limit", "chunk_size")
    code = plugin_version("spic.datasets", config["dataset"])
    return settings(*keys), code, source(chunk)


def identity_segment(chunk):
    return (
        settings("segmenter", "segmenter_input"),
        plugin_version("spic.segmenters", config["segmenter"]),
        weights(SEGMENTER_WEIGHTS),
        identity("resolve"),
        identity("prepare", chunk),
    )


def identity_look_at_originals(chunk):
    return (
        settings("judge"),
        plugin_version("spic.segmenters", config["judge"]),
        OTHER_LOOKS,
        weights(ORIGINALS_WEIGHTS),
        observations_version(paired=False),
        identity("resolve"),
        identity("prepare", chunk),
    )


def identity_score_originals(chunk):
    return [identity(stage, chunk) for stage in ("segment", "look_at_originals")]


def identity_encode(chunk, folder, point):
    made = coder(folder)
    sent = "segment" if sends(folder) == "segmenter" else "prepare"
    value = POINTS[made["method"]][point]
    return (
        made,
        value,
        limit_of(folder, chunk),
        identity("prepare", chunk),
        identity(sent, chunk),
    )


def identity_count_official(chunk, folder, point):
    return counted_codecs(folder), identity_encode(chunk, folder, point)


def identity_decode(chunk, folder, point):
    return identity("resolve"), identity("encode", chunk, folder, point)


def identity_look(chunk, folder, point):
    return (
        settings("segmenter", "segmenter_input"),
        plugin_version("spic.segmenters", config["segmenter"]),
        weights(LOOK_WEIGHTS),
        observations_version(paired=True),
        identity("segment", chunk),
        identity("look_at_originals", chunk),
        identity("decode", chunk, folder, point),
    )


def identity_score(chunk, folder, point, protocol):
    return (
        protocol,
        identity("score_originals", chunk),
        identity("look", chunk, folder, point),
    )


def identity_summarize(folder, point, protocol):
    scores = [
        identity("score", chunk, folder, point, protocol) for chunk in PARTS[protocol]
    ]
    return settings("classes_of_interest", "interval_block"), metrics_version(), scores


def identity_tables():
    return [
        identity("summarize", FOLDERS[method, protocol], point, protocol)
        for protocol in PROTOCOLS
        for method in POINTS
        for point in POINTS[method]
    ]


def of_tables():
    return identity("tables")


identity_compare = identity_figures = identity_figure_pictures = of_tables
identity_gallery = identity_overview = of_tables


@cache
def identity(stage, *of):
    """Hash of all that the result of a stage depends on, what comes before it included."""
    return digest(stage, stage_version(stage), globals()[f"identity_{stage}"](*of))


def depends(stage, *names):
    """The same as a parameter of a rule, for the wildcards of these names."""
    return lambda wildcards: identity(stage, *(wildcards[name] for name in names))
