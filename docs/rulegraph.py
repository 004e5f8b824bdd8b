"""The rule graph in architecture.md, from the workflow itself: `python docs/rulegraph.py [--write]`.

Prints a Mermaid graph, which GitHub and the site draw. An arrow that a longer way implies is left out.
"""

import re
import subprocess
import sys
from pathlib import Path

import networkx

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "architecture.md"


def rule_graph() -> networkx.DiGraph:
    """Names of rules, each with edges to those that take its results, as `snakemake --rulegraph` has them."""
    command = [sys.executable, "-m", "snakemake", "--rulegraph", "dot"]
    text = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    names = dict(re.findall(r'^\s*(\d+)\s*\[\s*label = "(\w+)"', text, re.M))
    edges = [(names[first], names[then]) for first, then in re.findall(r"^\s*(\d+) -> (\d+)", text, re.M)]
    return networkx.DiGraph(edges)


def mermaid(graph: networkx.DiGraph) -> str:
    lines = sorted(f"    {first} --> {then}" for first, then in networkx.transitive_reduction(graph).edges)
    return "\n".join(["```mermaid", "flowchart TB", *lines, "```"])


def main() -> None:
    block = mermaid(rule_graph())
    if "--write" not in sys.argv:
        print(block)
        return
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(re.sub(r"```mermaid\n.*?```", lambda _: block, page, count=1, flags=re.S), encoding="utf-8")


if __name__ == "__main__":
    main()
