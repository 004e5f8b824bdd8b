"""Tables and measured numbers of README.md, config/README.md and docs/*.md: `python docs/tables.py [--write]`.

Prints the blocks between the markers `<!-- methods -->` and `<!-- /methods -->`, and so for the others; with
`--write` it puts them into their pages. Here are methods and data sets as registered (only what the project itself
brings, whatever else is installed), and results as published. `measured.py` has the others of docs/.
"""

import json
import re
import sys
from pathlib import Path

import pandas as pd
from measured import ROOT, measured
from versions import PRESENT, RESULTS, measured_in, published, since

from spic.benchmark.config import load
from spic.benchmark.methods import CodecMethod, get_method, method_names
from spic.codecs import codec_names, get_codec
from spic.datasets import dataset_class, dataset_names
from spic.metrics import rate_at
from spic.report.tables import read_csv
from spic.scsrdm.info import shipped_decoders
from spic.weights import manifest


def methods() -> str:
    """Every method, then the codecs for SSM and coarse image."""
    rows = ["| method | what | points are set by |", "| --- | --- | --- |"]
    made = {name: get_method(name) for name in method_names()}
    for name, method in sorted(made.items(), key=lambda item: isinstance(item[1], CodecMethod)):
        about = method.codec if isinstance(method, CodecMethod) else method
        if _ours(about):
            names = [method.parameter] if isinstance(method.parameter, str) else method.parameter
            rows.append(f"| `{name}` | {_summary(about)} | {', '.join(f'`{one}`' for one in names)} |")
    codecs = {name: get_codec(name) for name in codec_names()}
    lossless = [f"`{n}`" for n, c in codecs.items() if _ours(c) and c.takes("label") and c.quality_name is None]
    pictures = [f"`{n}`" for n, c in codecs.items() if _ours(c) and c.takes("picture")]
    return "\n".join(
        [*rows, "", f"`ssm_codec`: {', '.join(lossless)}.", f"`coarse_codec`: {', '.join(pictures)}, or `lossless`."]
    )


def datasets() -> str:
    """Every data set."""
    rows = ["| data set | what | classes | needs |", "| --- | --- | --- | --- |"]
    for name in dataset_names():
        kind = dataset_class(name)
        if not _ours(kind):
            continue
        space = kind.label_space
        classes = f"{space.num_classes} (`{space.name}`)" if kind.labelled else "no labels"
        rows.append(
            f"| `{name}` | {_summary(kind)} | {classes} | {'nothing' if kind.procedural else '`dataset_root`'} |"
        )
    return "\n".join(rows)


def config_keys() -> str:
    """Every key of a config, its default, and what it means."""
    rows = ["| key | default | what |", "| --- | --- | --- |"]
    for key, entry in load(ROOT / "config" / "schema.yaml")["properties"].items():
        text = " ".join(entry["description"].split()).replace("<", "&lt;")
        default = f"`{json.dumps(entry['default'])}`" if "default" in entry else "has to be given"
        rows.append(f"| `{key}` | {default} | {text} |")
    return "\n".join(rows)


# Columns of the findings and of all points; those of further judges and of LPIPS where they were measured.
COMPARED = ["miou", "miou_independent", "miou_gt_*", "small_recall", "lpips", "fd_lite0", "psnr"]
COLUMNS = ["bpp", "bpp_ssm", "bpp_coarse", *COMPARED[:2], "miou_judge_*", "small_recall", "miou_gt", "miou_gt_*"]
COLUMNS += COMPARED[4:]


def releases() -> str:
    """Every decoder that a release had, and its id."""
    rows = ["| decoder | id | release |", "| --- | --- | --- |"]
    for name in shipped_decoders():
        entry = manifest()[name]
        had = entry["released"] | ({} if entry["sha256"] in entry["released"].values() else {"next": entry["sha256"]})
        rows += [f"| `{name}` | `{digest[:8]}` | {release} |" for release, digest in had.items()]
    return "\n".join(rows)


def results() -> str:
    """Every point of the published CamVid run."""
    points = read_csv(RESULTS / "points.csv")
    columns = measured_in(COLUMNS, points)
    rows = [
        "| method | point | " + " | ".join(", ".join(filter(None, (one.short, one.unit))) for one in columns) + " |"
    ]
    rows.append("| --- | --- |" + " ---: |" * len(columns))
    for _, point in points.iterrows():
        cells = ["" if pd.isna(point[one.name]) else f"{point[one.name]:.{one.digits}f}" for one in columns]
        rows.append(f"| {point['method']} | {point['point']} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


RIVALS = {"bpg": "BPG", "jpeg2000": "JPEG 2000"}


def findings() -> str:
    """What the published CamVid run says: SPIC against the others at its own rates, nothing extrapolated."""
    matched = read_csv(RESULTS / "matched.csv").set_index(["method", "at"])
    points = read_csv(RESULTS / "points.csv").set_index(["method", "point"])
    columns = RIVALS | {"sr": "`sr`, no SSM"}
    title = " | ".join(["| SPIC minus, at equal rate", *columns.values(), ""]).rstrip()
    lines = [title, "| --- |" + " ---: |" * len(columns)]
    for metric in measured_in(COMPARED, matched):
        cells = []
        for rival in columns:
            margins = (matched.loc["spic", metric.name] - matched.loc[rival, metric.name]).dropna()
            cells.append(f"{margins.min():+.{metric.digits}f} to {margins.max():+.{metric.digits}f}")
        title = metric.with_unit + ", lower is better" * metric.lower_is_better
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    at = "coarse_qp35"
    middle, blind = points.loc["spic", at], points.loc[("sr", at)]
    ground = read_csv(RESULTS / "per_class.csv").query("method == 'original'")["iou_gt"].mean()
    judges = read_csv(RESULTS / "judge.csv").query("`class` == 'mean'").set_index("judge")["iou_gt"].dropna()
    alone = points.loc[("upsampled", at), "miou"], matched.loc[("upsampled", at), "miou"]
    return "\n".join(
        [
            *lines,
            "",
            f"At QP 35 SPIC has mIoU {middle['miou']:.3f} at {middle['bpp']:.3f} bpp; "
            f"the same mIoU takes {_costs(points, middle, 'miou')} bpp.",
            f"By the judge it has {middle['miou_independent']:.3f}, "
            f"which takes {_costs(points, middle, 'miou_independent')} bpp.",
            *(
                f"By {name} it has {middle[f'miou_gt_{name}']:.3f} to ground truth, "
                f"which takes {_costs(points, middle, f'miou_gt_{name}')} bpp."
                for name in judges.index[1:]
            ),
            f"The coarse image alone, upsampled, has {alone[0]:.3f} at that QP and {alone[1]:.3f} at that rate.",
            f"The decoder trained without SSMs (`sr`) has {blind['miou']:.3f} at that QP, SPIC {middle['miou']:.3f}; "
            f"by the judge {blind['miou_independent']:.3f} against {middle['miou_independent']:.3f}.",
            f"Against ground truth the segmenter itself has {ground:.3f}, the judge {judges.iloc[0]:.3f}"
            + "".join(f", {name} {iou:.3f}" for name, iou in judges.iloc[1:].items())
            + ".",
            _smallest(points, at="coarse_qp30"),
            f"[claims.md](results/published/{PRESENT}/camvid/claims.md) judges the paper's nine claims.",
        ]
    )


def _smallest(points: pd.DataFrame, at: str) -> str:
    """What is left of the smallest objects, beside BPG's point next to that rate."""
    recall = read_csv(RESULTS / "recall.csv").query("`class` == 'all' and size == 'below_64'")
    recall = recall.set_index(["method", "point"])["recall"]
    rival = (points.loc["bpg", "bpp"] - points.loc[("spic", at), "bpp"]).abs().idxmin()
    return (
        f"Of the objects below 64 pixels SPIC keeps {recall['spic', at]:.2f} at QP {at.removeprefix('coarse_qp')}, "
        f"BPG {recall['bpg', rival]:.2f} at QP {rival.removeprefix('qp')}, its point next to that rate."
    )


def _costs(points: pd.DataFrame, point: pd.Series, metric: str) -> str:
    """At which rates the others reach a point's value."""
    found = []
    for rival, name in RIVALS.items():
        curve = points.loc[rival]
        rate = rate_at(curve["bpp"], curve[metric], point[metric])
        found.append(f"{name} {rate:.2f}" if rate == rate else f"{name} more than {curve['bpp'].max():.2f}")
    return " and ".join(found)


def _ours(thing) -> bool:
    return thing.__module__.split(".")[0] == "spic"


def _summary(thing) -> str:
    """First sentence of a class's docstring."""
    return (thing if isinstance(thing, type) else type(thing)).__doc__.splitlines()[0].split(". ")[0].rstrip(".")


def results_page() -> dict[str, str]:
    """Blocks of docs/results.md."""
    return {"published": published(), "results": results(), "since": since()}


def blocks() -> dict[Path, dict[str, str]]:
    """Page to marker name to the whole block, markers included."""
    here = {"README.md": {"findings": findings()}, "docs/data.md": {"datasets": datasets()}}
    here |= {"docs/spic-format.md": {"releases": releases()}}
    here |= {"config/README.md": {"config_keys": config_keys()}}
    here |= {"docs/methods.md": {"methods": methods()}, "docs/results.md": results_page()}
    pages = {ROOT / page: {name: _block(name, text) for name, text in made.items()} for page, made in here.items()}
    for name, text in measured().items():
        pages.setdefault(ROOT / "docs" / f"{name.split('_')[0]}.md", {})[name] = _block(name, text)
    return pages


def _block(name: str, text: str) -> str:
    return f"<!-- {name} -->\n{text}\n<!-- /{name} -->"


def main() -> None:
    if "--write" not in sys.argv:
        print("\n\n".join(block for page in blocks().values() for block in page.values()))
        return
    for page, made in blocks().items():
        text = page.read_text(encoding="utf-8")
        for name, block in made.items():
            pattern = re.compile(f"<!-- {name} -->.*?<!-- /{name} -->", flags=re.DOTALL)
            if not pattern.search(text):
                sys.exit(f"{page.name}: no block <!-- {name} --> ... <!-- /{name} -->")
            text = pattern.sub(lambda _, block=block: block, text)
        page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
