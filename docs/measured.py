"""Blocks of the pages in docs/ that show measured numbers: files of results/published/ in, Markdown out.

`measured_layout.py` says how the blocks look; here is what fills them in, and the few blocks that need more than that.
"""

import csv
import json
import textwrap
from pathlib import Path
from string import Formatter

from measured_layout import SENTENCES, TABLES
from versions import PUBLISHED, RESULTS

from spic.metrics.columns import column

ROOT = Path(__file__).resolve().parents[1]
BENCHMARKS = PUBLISHED / "benchmarks"
CHAIN = 20  # steps of the published sampler, for which images per second are added up


class Number(float):
    """A number of a CSV file; it prints as it is written there unless a format is asked for."""

    def __new__(cls, text: str):
        number = super().__new__(cls, text)
        number.text = text
        return number

    def __format__(self, spec: str) -> str:
        return super().__format__(spec) if spec else self.text

    def __str__(self) -> str:
        return self.text


def measured() -> dict[str, str]:
    """Marker to text, for all of docs/; a marker begins with the name of its page."""
    return {
        **{name: table(columns, read(f"{name}.csv")) for name, columns in TABLES.items()},
        **{name: template.format(**figures(name.split("_")[0])) for name, template in SENTENCES.items()},
        "decoder_counted": counted(),
        "decoder_speed-paper": speed("paper", 4),
        "decoder_speed-shipped": speed("first-shipped", 3),
        "decoder_speed-gpu": speed("paper-h200", 2),
        "decoder_steps": steps(),
        "metrics_cost": cost_of_metrics(),
        "ssm-coders_share": share_of_ssm(),
        "data_city-shares": city_shares(),
        "reproduce-paper_cost": cost_of_paper(),
    }


def read(name: str) -> list[dict]:
    """The rows of a file of results/published/benchmarks/: numbers as `Number`, empty cells as None."""
    return _read(BENCHMARKS / name)


def _read(path: Path) -> list[dict]:
    with path.open(newline="") as file:
        return [{key: _value(text) for key, text in row.items()} for row in csv.DictReader(file)]


def _value(text: str):
    if not text:
        return None
    try:
        return Number(text)
    except ValueError:
        return text


def figures(page: str) -> dict:
    """The single figures of a page by name."""
    return {row["figure"]: row["value"] for row in read("figures.csv") if row["page"] == page}


def table(columns: dict, rows: list[dict]) -> str:
    """A Markdown table. A heading that begins with ">" stands on the right; a cell without its number is empty.

    A column is a template, or templates by the text of a row's first field, "" for the other rows.
    """
    lines = ["| " + " | ".join(heading.strip("> ") for heading in columns) + " |"]
    lines.append("| " + " | ".join("---:" if heading.startswith(">") else "---" for heading in columns) + " |")
    for row in rows:
        key = f"{next(iter(row.values()))}"
        templates = [column if isinstance(column, str) else column.get(key, column[""]) for column in columns.values()]
        lines.append("| " + " | ".join(_cell(template, row) for template in templates) + " |")
    return "\n".join(lines)


def _cell(template: str, row: dict) -> str:
    fields = [name for _, name, _, _ in Formatter().parse(template) if name]
    return "" if any(row[name] is None for name in fields) else template.format(**row)


def counted() -> str:
    """FLOPs of a chain with and without savings."""
    rows = read("decoder_counted.csv")
    for row in rows:
        row["ratio"] = f"{row['tflop_everything'] / row['tflop_savings']:.2f}x"
    columns = {
        "guidance": "{guidance}",
        "> everything at every step": "{tflop_everything} TFLOP",
        "> savings on": "{tflop_savings} TFLOP",
        "> ratio": "{ratio}",
    }
    less = rows[-1]["tflop_everything"] / rows[-1]["tflop_null_every_picture"]
    remark = f"With the null SSM computed once per image instead of once per network the second ratio is {less:.2f}x."
    return f"{table(columns, rows)}\n\n{remark}"


def speed(network: str, digits: int) -> str:
    """Savings off and on at every guidance, and their ratio: over a chain, and over counted FLOPs."""
    found = [row for row in read("decoder_speed.csv") if row["network"] == network]
    rows = []
    for off, on in zip(found[::2], found[1::2], strict=True):
        for row in (off, on):
            row["chain"] = row["preparation_s"] + CHAIN * row["step_s"]
            rows.append(row | {"pictures": f"{1 / row['chain']:.{digits}f}"})
        ratio, counted = off["chain"] / on["chain"], off["tflop"] / on["tflop"]
        rows.append(
            {"network": "ratio", "guidance": "", "savings": "**ratio**", "preparation_s": "", "step_s": ""}
            | {"pictures": f"**{ratio:.2f}x**", "peak_gib": "", "tflop": f"{counted:.2f}x"}
            | {"share_of_matrix_rate": f"{ratio / counted:.0%} of counted".replace("%", " %")}
        )
    columns = {
        "> guidance": "{guidance}",
        "savings": "{savings}",
        "> preparation, s": "{preparation_s}",
        "> step, s": "{step_s}",
        "> images/s": "{pictures}",
        "> peak GiB with weights": "{peak_gib}",
        "> TFLOP": "{tflop}",
        "> share of matrix rate": "{share_of_matrix_rate}",
    }
    return table(columns, rows)


STEP_METRICS = [*map(column, ("miou", "miou_independent", "fd_lite0", "psnr"))]


def steps() -> str:
    """Samplers and steps: the frames to choose on, the validation clip beside them; the shipped setting is bold."""
    found = _read(PUBLISHED / "steps.csv")
    shipped = json.loads((ROOT / "spic" / "weights" / "street-decoder.json").read_text())["sampling"]
    settings = ["sampler", "steps", "start", "guidance"]
    default = tuple(str(shipped[key]) for key in settings)
    by_row: dict[tuple, dict] = {}
    for row in found:
        by_row.setdefault(tuple(str(row[key]) for key in settings), {})[row["frames"]] = row
    several = [i for i, key in enumerate(settings) if i < 2 or len({row[i] for row in by_row}) > 1]
    titles = [f"{title}{suffix}" for suffix in ("", ", val") for title in (one.short for one in STEP_METRICS)]
    lines = ["| " + " | ".join([*(settings[i] for i in several), *titles, "s"]) + " |"]
    lines.append("| --- |" + " ---: |" * (len(several) + len(titles)))
    for setting, sets in by_row.items():
        cells = [setting[i] for i in several]
        for frames in ("choose", "val"):
            for metric in STEP_METRICS:
                value = sets.get(frames, {}).get(metric.name)
                cells.append("" if value is None else f"{value:.{metric.digits}f}")
        cells.append(f"{sets.get('choose', sets.get('val'))['seconds']:.1f}")
        if setting == default:
            cells = [f"**{cell}**" if cell else "" for cell in cells]
        lines.append("| " + " | ".join(cells) + " |")
    counts = {row["frames"]: row["n"] for row in found}
    fixed = [f"{key} {next(iter(by_row))[i]}" for i, key in enumerate(settings) if i not in several]
    sizes = [f"{counts[name]} frames {text}" for name, text in FRAMES.items() if name in counts]
    return "\n".join([f"{', '.join(sizes)}; {', '.join(fixed)}. The shipped setting is bold.", "", *lines])


FRAMES = {"choose": "to choose on", "val": "of the validation clip (`val`)"}


def cost_of_metrics() -> str:
    """CPU seconds per image by step, and the networks' part of them."""
    rows = read("metrics_cost.csv")
    total = sum(row["cpu_s"] for row in rows)
    for row in rows:
        row["share"] = f"{row['cpu_s'] / total:.0%}".replace("%", " %")
    rows.append({"step": "sum", "network": 0, "cpu_s": f"{total:.3f}", "share": ""})
    networks = sum(row["cpu_s"] for row in rows if row["network"]) / total
    columns = {"step": "{step}", "> CPU seconds": "{cpu_s}", "> share": "{share}"}
    return f"{table(columns, rows)}\n\nThe networks dominate: {100 * networks:.0f} %."


def share_of_ssm() -> str:
    """What part of the published run's rate is the SSM."""
    points = {row["point"]: row for row in _read(RESULTS / "points.csv") if row["method"] == "spic"}
    share = 100 * points["coarse_qp35"]["bpp_ssm"] / points["coarse_qp35"]["bpp"]
    return (
        f"Sent with FLIF, as in the paper, the segmentation map (SSM) is {share:.0f} % of "
        "SPIC's\nrate at QP 35 (CamVid's validation clip). `spic.codecs.labelmap` is a coder made for such maps, and "
        "sends them in\nabout half the bytes of the reference FLIF tool."
    )


def city_shares() -> str:
    """Shares of the pixels of the drawn city."""
    shares = [f"{row['class']} {row['percent']}" for row in read("data_city-shares.csv")]
    return textwrap.fill(
        f"Shares of the pixels over the first 24 validation scenes, percent: {', '.join(shares)}.", width=120
    )


PARTS = {
    "official": "decoder, `official` (20 steps, guidance 1.5)",
    "official_unguided": "decoder, `official_unguided`",
    "corrected": "decoder, `corrected` (20 steps, no guidance)",
    "internimage-xl": "InternImage-XL at 1024x2048 (its authors' count), originals and all points",
}


def cost_of_paper() -> str:
    """Counted operations of the paper's run, and how long they take at three rates."""
    counted = {row["guidance"]: row["tflop_savings"] for row in read("decoder_counted.csv")}
    lines, total = ["| part | images x points | per image | sum |", "| --- | --- | ---: | ---: |"], 0.0
    for row in read("reproduce-paper_cost.csv"):
        each = row["tflop_a_picture"] or counted[row["guidance"]]
        petaflop = row["pictures"] * row["points"] * each / 1000
        total += petaflop
        pictures = f"{row['pictures']}" if row["points"] == 1 else f"{row['pictures']} x {row['points']}"
        lines.append(f"| {PARTS[row['part']]} | {pictures} | {each} TFLOP | {petaflop:.0f} PFLOP |")
    hours = {rate: total * 1000 / rate / 3600 for rate in (100, 20, 0.2)}
    return "\n".join(
        [
            *lines,
            f"| all | | | {total:.0f} PFLOP |",
            "",
            f"So {hours[100]:.1f} hours on a card that sustains 100 TFLOP/s, {hours[20]:.0f} hours at 20 TFLOP/s, and "
            f"{hours[0.2] / 24:.0f} days on\ntwo CPU cores at 0.2 TFLOP/s: there, take `limit=62` and one point of "
            "SPIC. Coding the images takes almost no time compared with this.",
        ]
    )
