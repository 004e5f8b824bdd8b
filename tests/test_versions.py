"""Whoever changes what a stage or a codec makes raises its version: their code is held against what was recorded.

versions.json has the version of every stage and codec, and a hash of its code without docstrings and comments. Where
the code differs, either results change, and its version is raised (`spic.provenance.fingerprints.VERSIONS`,
`Codec.VERSION`, `Observation.version`), or they do not. Both are then recorded by

    python tests/test_versions.py

The hash is in no fingerprint: recording it computes nothing again.
"""

import ast
import hashlib
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
RECORDED = Path(__file__).with_name("versions.json")
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"  # the text of a syntax tree may differ between two

_IMAGES = ["pictures/*.py", "weights/*.py"]
_METHODS = ["benchmark/method*.py", "benchmark/ldm.py", "benchmark/learned*.py", "benchmark/protocols.py"]
_METHODS += ["transmitter.py", "receiver.py", "bitstream/*.py", "codecs/simplify.py", "codecs/residual.py"]
_METHODS += ["benchmark/symbols.py", "channel/spicfile.py", "codecs/smooth.py", "video/*.py"]
_NETWORKS = ["machine.py", "run/host.py", "networks/*.py"]
_SEGMENTERS = [*_NETWORKS, "segmentation/**/*.py"]
_REPORT = ["report/**/*.py", "benchmark/anchors.py", "metrics/**/*.py", "pictures/labels.py"]
_SCORES = ["benchmark/scores.py", "metrics/**/*.py", "benchmark/protocols.py"]

# Code of each stage, as patterns within spic/; "benchmark/coding.py:encode" is one function of a file; and the script
# scripts/<stage>.py.
STAGES = {
    "resolve": ["machine.py", "benchmark/coding.py:resolve"],
    "prepare": [*_IMAGES, "datasets/**/*.py", "benchmark/coding.py:prepare,open_dataset"],
    "segment": [*_IMAGES, *_SEGMENTERS, "benchmark/coding.py:segment,load_segmenter,read_folder"],
    "encode": [*_IMAGES, *_METHODS, "benchmark/coding.py:encode,_Clocked,_transmitted,read_folder"],
    "count": [*_IMAGES, *_METHODS, "benchmark/coding.py:count,_transmitted,read_folder"],
    "decode": [*_IMAGES, *_METHODS, *_NETWORKS, "scsrdm/**/*.py", "benchmark/coding.py:decode,read_coded"],
    "look": [*_IMAGES, *_SEGMENTERS, "benchmark/observations.py", "metrics/**/*.py", "networks/*.py"],
    "score": [
        *_IMAGES,
        *_SCORES,
        "benchmark/observations.py",
        "benchmark/method*.py",
        "benchmark/coding.py:read_coded",
    ],
    "summarize": [*_SCORES, "benchmark/summary.py"],
    "tables": [*_REPORT, "benchmark/scores.py"],
    "compare": _REPORT,
    "figures": [*_REPORT, "benchmark/anchors.py"],
    "figure_pictures": [*_IMAGES, *_REPORT, *_SEGMENTERS, *_METHODS, "scsrdm/**/*.py"],
    "gallery": [*_IMAGES, *_REPORT],
    "overview": _REPORT,
    "mean_images": [*_IMAGES, "datasets/**/*.py", "benchmark/lost.py", "benchmark/coding.py:open_dataset"],
    "channel": [*_METHODS, *_SCORES, "benchmark/summary.py", "benchmark/channel.py", "channel/*.py"],
    "channel_figure": [*_REPORT, "benchmark/channel.py"],
}
# Code of each codec; a file of its name and codecs/base.py join.
CODECS = {
    "avif": ["codecs/pillow.py"],
    "bpg": ["codecs/bpg/*.py"],
    "flif": ["codecs/flif/*.py", "codecs/jit.py"],
    "jpeg": ["codecs/pillow.py"],
    "jpeg2000": [],
    "jpegxl": [],
    "jpegxl-lossless": ["codecs/jpegxl.py"],
    "labelmap": ["codecs/labelmap/*.py", "codecs/jit.py"],
    "labelmap-plain": ["codecs/labelmap/*.py", "codecs/jit.py"],
    "png": [],
    "webp": ["codecs/pillow.py"],
    "webp-lossless": ["codecs/webp.py", "codecs/pillow.py"],
}
# Code that makes no result of a run.
OTHERS = ["__init__.py", "cli/**/*.py", "training/**/*.py", "codecs/__init__.py", "codecs/crosscheck.py", "errors.py"]
OTHERS += ["codecs/contract.py"]
OTHERS += [
    "plugins.py",
    "provenance/*.py",
    "run/*.py",
    "benchmark/checks.py",
    "benchmark/config.py",
    "benchmark/layout.py",
    "benchmark/plan.py",
]
OTHERS += ["benchmark/__init__.py", "benchmark/coding.py", "files.py"]
OTHERS += ["strict_json.py"]


def matching(pattern: str) -> list[Path]:
    """Files of this package by a pattern, sorted."""
    return sorted((ROOT / "spic").glob(pattern.partition(":")[0]))


def code_of(text: str, names: str = "") -> str:
    """What a module does, as text: without docstrings, comments and line breaks; only the top-level `names`, if any."""
    tree = ast.parse(text)
    if names:
        wanted = set(names.split(","))
        tree.body = [node for node in tree.body if getattr(node, "name", None) in wanted]
        if len(tree.body) != len(wanted):
            raise AssertionError(f"no such functions: {names}")
    for node in ast.walk(tree):
        kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        if isinstance(node, kinds) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)


def current() -> dict[str, dict[str, str]]:
    """Version and hash of every stage and codec as they are now."""
    from spic.codecs import get_codec
    from spic.provenance.fingerprints import VERSIONS

    found = {}
    for stage, patterns in STAGES.items():
        script = ROOT / "scripts" / f"{stage}.py"
        found[f"stage {stage}"] = {"version": str(VERSIONS[stage]), "code": _hash(patterns, [script])}
    for name, patterns in CODECS.items():
        patterns = ["codecs/base.py", f"codecs/{name}.py", *patterns]
        found[f"codec {name}"] = {"version": get_codec(name).versions()["code"], "code": _hash(patterns, [])}
    return found


def _hash(patterns: list[str], files: list[Path]) -> str:
    parts = {(path, pattern.partition(":")[2]) for pattern in patterns for path in matching(pattern)}
    texts = [code_of(path.read_text(encoding="utf-8"), names) for path, names in sorted(parts)]
    texts += [code_of(path.read_text(encoding="utf-8")) for path in files]
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def complaints(now: dict, recorded: dict) -> list[str]:
    """What to do, by stage and codec, where the code now is not what was recorded."""
    record, found = "record it by `python tests/test_versions.py`", []
    for name in sorted(now.keys() | recorded.keys()):
        if name not in now or name not in recorded:
            found.append(f"{name}: new or gone; {record}")
        elif now[name]["version"] != recorded[name]["version"]:
            found.append(f"{name}: version {now[name]['version']}, {recorded[name]['version']} is recorded; {record}")
        elif now[name] != recorded[name]:
            versions = "spic.provenance.fingerprints.VERSIONS, Codec.VERSION, Observation.version"
            raised = f"raise its version where results may change ({versions})"
            found.append(f"{name}: its code is not what version {now[name]['version']} was; {raised}, then {record}")
    return found


def test_code_that_changed_has_a_new_version():
    recorded = json.loads(RECORDED.read_text())
    if recorded.pop("python") != PYTHON:
        pytest.skip("recorded by another Python")
    found = complaints(current(), recorded)
    assert not found, "\n" + "\n".join(found)


def test_all_code_belongs_to_a_stage_or_makes_no_result():
    from spic.codecs import _BUILT_IN
    from spic.provenance.fingerprints import VERSIONS

    assert set(STAGES) == set(VERSIONS) and set(CODECS) == set(_BUILT_IN)
    patterns = [pattern for found in (*STAGES.values(), *CODECS.values(), OTHERS) for pattern in found]
    patterns += ["codecs/base.py", *(f"codecs/{name}.py" for name in CODECS)]
    known = {path for pattern in patterns for path in matching(pattern)}
    assert set(matching("**/*.py")) - known == set(), "tell here which stages these files are part of"
    public = [
        node.name
        for node in ast.parse((ROOT / "spic" / "benchmark" / "coding.py").read_text()).body
        if hasattr(node, "name")
    ]
    assert set(VERSIONS) & set(public) == {"resolve", "prepare", "segment", "encode", "count", "decode"}


TEXT = '''"""A module."""
# a comment
def f(x):
    """Twice."""
    return 2 * x


def g(x):
    return f(x)
'''


def test_words_are_no_code_and_code_is():
    other_words = TEXT.replace("Twice.", "Two times.").replace("# a comment", "").replace("\n\n\n", "\n")
    assert code_of(TEXT) == code_of(other_words)
    assert code_of(TEXT) != code_of(TEXT.replace("2 * x", "3 * x"))
    assert code_of(TEXT, "g") == code_of(TEXT.replace("2 * x", "3 * x"), "g") != code_of(TEXT, "f")
    with pytest.raises(AssertionError, match="no such functions: h"):
        code_of(TEXT, "h")


def test_what_is_asked_for():
    before = {"stage look": {"version": "1", "code": "a"}, "codec png": {"version": "1", "code": "b"}}
    assert complaints(before, before) == []
    (changed,) = complaints(before | {"stage look": {"version": "1", "code": "c"}}, before)
    assert changed.startswith("stage look: its code is not what version 1 was; raise its version")
    (raised,) = complaints(before | {"stage look": {"version": "2", "code": "c"}}, before)
    assert raised.startswith("stage look: version 2, 1 is recorded; record it")
    assert len(complaints({}, before)) == 2


if __name__ == "__main__":
    RECORDED.write_text(json.dumps({"python": PYTHON, **current()}, indent=1) + "\n")
    print(f"{RECORDED}: recorded")
