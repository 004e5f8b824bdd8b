"""`spic doctor`: what is here and what is missing, one line each.

A line begins with `ok`, with `--` for something that is not here and that only some features need, or with `BROKEN`.
"""

import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import typer

import spic
from spic.errors import ConfigError, SpicError
from spic.plugins import DISTRIBUTION, install

OK, MISSING, BROKEN = "ok", "--", "BROKEN"
Finding = tuple[str, str, str]  # state, what, and its details
_PROGRAMS = {
    "sbatch": "Slurm, for `spic run --profile profiles/slurm` (docs/cluster.md)",
    "conda": "for `--sdm conda`",
    "flif": "the reference program, for `spic codec encode flif --cross-check`",
    "bpgdec": "the reference program, for `spic codec encode bpg --cross-check`",
}
_NEEDED_BYTES = 2 << 30  # of free disk: what a run of CamVid with all images takes


def doctor():
    """Say what this installation has, and what is missing for which feature; exit status 1 only for what is broken."""
    broken = 0
    for look in (_versions, _packages, _extras, _plugins, _devices, _caches, _weights, _files, _programs, _disk):
        try:
            found = list(look())
        except Exception as error:  # a doctor who falls ill says so and goes on
            found = [(BROKEN, look.__name__.strip("_"), f"{type(error).__name__}: {' '.join(str(error).split())}")]
        for state, what, details in found:
            broken += state == BROKEN
            typer.echo(f"{state:8}{what:16}{details}")
    if broken:
        raise ConfigError(f"{broken} of these {'is' if broken == 1 else 'are'} broken")


def _versions() -> Iterator[Finding]:
    yield OK, "spic", f"{spic.__version__} in {Path(spic.__file__).parent}"
    yield OK, "python", f"{sys.version.split()[0]} in {sys.prefix}"


def _requirements() -> list:
    """What the installed distribution asks for, as `Requirement`; empty where the package is not installed."""
    from importlib import metadata

    from packaging.requirements import Requirement

    try:
        return [Requirement(line) for line in metadata.requires(DISTRIBUTION) or ()]
    except metadata.PackageNotFoundError:
        return []


def _state_of(requirement) -> str:
    """Nothing if a requirement is met, else what it lacks."""
    from importlib import metadata

    try:
        version = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return requirement.name
    return "" if requirement.specifier.contains(version, prereleases=True) else f"{requirement} (here: {version})"


def _packages() -> Iterator[Finding]:
    from importlib import metadata

    needed = [one for one in _requirements() if one.marker is None]
    if not needed:
        yield MISSING, "packages", f"{DISTRIBUTION} is not installed here, so versions are not compared"
        return
    lacking = [lack for one in needed if (lack := _state_of(one))]
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("torch", "numba", "snakemake"))
    if lacking:
        yield BROKEN, "packages", f"missing or too old: {', '.join(lacking)}"
    else:
        yield OK, "packages", f"all {len(needed)}, among them {versions}"


def _extras() -> Iterator[Finding]:
    from importlib import metadata

    extras = {}
    for one in _requirements():
        if one.marker is not None:
            for extra in metadata.metadata(DISTRIBUTION).get_all("Provides-Extra") or ():
                if one.marker.evaluate({"extra": extra}) and one.name != DISTRIBUTION:
                    extras.setdefault(extra, []).append(one)
    extras.pop("dev", None)  # for those who change this package; it holds most of the others
    for extra, needed in sorted(extras.items()):
        lacking = [lack for one in needed if (lack := _state_of(one))]
        lacks = f"{install(extra)}; lacks {', '.join(lacking)}"
        yield (MISSING, f"[{extra}]", lacks) if lacking else (OK, f"[{extra}]", ", ".join(one.name for one in needed))


def _plugins() -> Iterator[Finding]:
    from importlib import metadata

    for group in sorted(group for group in metadata.entry_points().groups if group.startswith("spic.")):
        for point in metadata.entry_points(group=group):
            try:
                point.load()
                yield OK, "plug-in", f"{point.name} of {group}, {point.value}"
            except Exception as error:  # whatever the import of another package raises
                yield BROKEN, "plug-in", f"{point.name} of {group}, {point.value}: {error}"


def _devices() -> Iterator[Finding]:
    import torch

    from spic.machine import pick_device, pick_dtype
    from spic.run.host import usable_cores

    yield OK, "CPU", f"{usable_cores()} cores to use; torch takes {torch.get_num_threads()} threads if not told"
    cards = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    for card in cards:
        yield OK, "GPU", f"{card.name}, {card.total_memory / 2**30:.0f} GiB"
    if not cards:
        build = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "built without CUDA"
        yield MISSING, "GPU", f"torch sees none ({torch.__version__}, {build}); all runs on the CPU, slower"
    device, started = pick_device(), time.perf_counter()
    dtype = pick_dtype("auto", device)
    yield OK, "number format", f"{dtype} on {device}, by a probe of {time.perf_counter() - started:.2f} s"


def _caches() -> Iterator[Finding]:
    from spic.codecs import jit
    from spic.codecs.flif import scanlines

    folder = jit.cache_folder(scanlines.read_plane)
    if folder is None:
        yield (
            MISSING,
            "machine code",
            "no folder for it: every process compiles FLIF anew, 15 s; NUMBA_CACHE_DIR names one",
        )
    else:
        kept = len(list(Path(folder).glob("*.nbc")))
        yield OK, "machine code", f"{kept} functions in {folder}" if kept else f"{folder}; FLIF compiles on first use"
    cache = Path("results", "cache")
    if cache.is_dir():
        size = sum(path.stat().st_size for path in cache.rglob("*") if path.is_file())
        yield OK, "results/cache", f"{size / 2**20:.0f} MiB of what networks saw in images; may be deleted"


def _weights() -> Iterator[Finding]:
    from spic import weights

    for name in sorted(weights.manifest(weights.FOLDER)):
        try:
            path = weights.shipped(name)
            yield OK, "weights", f"{name}, SHA-256 {weights.sha256(path)[:16]} as released"
        except SpicError as error:
            yield BROKEN, "weights", str(error)


def _files() -> Iterator[Finding]:
    """Files that the user fetches, which columns of points.csv need."""
    from spic.metrics import fid_weights_path, lpips_weights_path

    for column, find in (("fid", fid_weights_path), ("lpips", lpips_weights_path)):
        path, variable = find(), f"SPIC_{column.upper()}_WEIGHTS"
        if path is None:
            yield MISSING, column, f"the column stays empty: {variable} names no file (docs/weights.md)"
        elif not path.is_file():
            yield BROKEN, column, f"{variable}={path}: no such file"
        else:
            yield OK, column, str(path)


def _programs() -> Iterator[Finding]:
    for name, purpose in _PROGRAMS.items():
        path = shutil.which(name)
        yield (OK, name, path) if path else (MISSING, name, f"not on PATH: {purpose}")


def _disk() -> Iterator[Finding]:
    import tempfile

    for what, folder in (("disk here", Path.cwd()), ("temporary", Path(tempfile.gettempdir()))):
        free = shutil.disk_usage(folder).free
        text = f"{free / 2**30:.1f} GiB free in {folder}"
        if not os.access(folder, os.W_OK):
            yield MISSING, what, f"{folder} is not writable; `spic run --directory FOLDER` puts results elsewhere"
        else:
            yield (OK, what, text) if free > _NEEDED_BYTES else (MISSING, what, f"{text}: little for a run")
