"""The floors of the house (docs/architecture.md): no import runs upwards or in a circle; nothing grows too large."""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "spic"
FLOORS = [  # a room imports rooms of its own floor and of those above it in this list
    ["errors", "files", "strict_json", "machine", "plugins"],
    ["pictures", "networks", "weights"],
    ["codecs", "segmentation", "scsrdm", "metrics", "datasets"],
    ["bitstream", "transmitter", "receiver", "channel", "video"],
    ["provenance", "benchmark", "training"],
    ["report", "run"],
    ["cli"],
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
MODULES = sorted(PACKAGE.rglob("*.py"))
LINES, BODY, PARAMETERS, ON_TOP = 350, 80, 12, 9  # parameters: not in cli/, where they are the options of commands

# The public interface, and a kernel of numba, which takes arrays one by one; nothing may join.
MANY_PARAMETERS = {"codecs/flif/learn.py:_grow", "transmitter.py:Transmitter.__init__"}


def imports(text: str) -> list[str]:
    """Modules of `spic` that a module imports, at its top, within functions, or named in a table of `spic.plugins`."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import hides the room it is from"
            public = [f"spic.{alias.name.lower()}" for alias in node.names if alias.name != "__version__"]
            found += public if node.module == "spic" else [node.module]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _is_maker(node.value):
            found.append(node.value.partition(":")[0])
    return [name for name in found if name.startswith("spic.")]


def _is_maker(text: str) -> bool:
    """Whether a string names an object as `spic.plugins` loads it: "spic.codecs.png:Png"."""
    module, colon, name = text.partition(":")
    return bool(colon) and name.isidentifier() and all(part.isidentifier() for part in module.split("."))


def room_of(path: Path) -> str:
    """The folder or module directly below `spic`."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def arrows(modules: dict[str, list[tuple[str, str]]]) -> dict[tuple[str, str], str]:
    """Pairs of rooms, (who imports, who is imported), with the file of one such import."""
    return {
        (room, name.split(".")[1]): file
        for room, found in modules.items()
        for file, name in found
        if name.split(".")[1] != room
    }


def upward(found: dict) -> list[str]:
    """Imports of a room of a higher floor."""
    return [f"{file} imports {there}" for (here, there), file in found.items() if FLOOR[there] > FLOOR[here]]


def circles(found: dict) -> list[str]:
    """Rooms that reach themselves again."""
    reached = {room: {there for here, there in found if here == room} for room in FLOOR}
    for middle in reached:
        for there in reached.values():
            there |= reached[middle] if middle in there else set()
    return [room for room, there in reached.items() if room in there]


@pytest.fixture(scope="module")
def house():
    found = {room: [] for room in FLOOR}
    for path in MODULES:
        if path != PACKAGE / "__init__.py":  # the public names, from every floor
            file = str(path.relative_to(PACKAGE))
            found[room_of(path)] += [(file, name) for name in imports(path.read_text(encoding="utf-8"))]
    return arrows(found)


def test_every_room_has_a_floor():
    assert {room_of(path) for path in MODULES} - {"__init__"} == set(FLOOR)


def test_no_import_runs_upwards(house):
    assert len(house) > 60 and upward(house) == []


def test_no_circle_between_rooms(house):
    assert circles(house) == []


def test_lazy_and_named_imports_count():
    text = "def f():\n    from spic.report import tables\n"
    text += 'from spic import Transmitter\nMAKERS = {"a": "spic.cli.train:app"}\nTEXT = "spic: a word"\n'
    assert sorted(imports(text)) == ["spic.cli.train", "spic.report", "spic.transmitter"]
    found = arrows({"files": [("files.py", "spic.report"), ("files.py", "spic.files")]})
    assert upward(found) == ["files.py imports report"]
    assert circles({("report", "run"): "", ("run", "training"): "", ("training", "report"): ""}) == [
        "training",
        "report",
        "run",
    ]


def test_few_modules_lie_on_the_top_floor():
    on_top = [path.name for path in PACKAGE.glob("*.py") if path.name != "__init__.py"]
    assert len(on_top) <= ON_TOP, on_top


def test_no_file_is_too_long():
    long = {str(path.relative_to(PACKAGE)) for path in MODULES if len(path.read_text("utf-8").splitlines()) > LINES}
    assert long == set()


def functions(node, prefix: str = ""):
    """(Name, node) of all functions in a syntax tree, methods and inner ones with the names they are in."""
    for child in ast.iter_child_nodes(node):
        named = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        name = f"{prefix}{child.name}" if named else prefix
        if named and not isinstance(child, ast.ClassDef):
            yield name, child
        yield from functions(child, f"{name}." if named else prefix)


def test_no_function_is_too_large():
    long, many = set(), set()
    for path in MODULES:
        for name, node in functions(ast.parse(path.read_text(encoding="utf-8"))):
            name = f"{path.relative_to(PACKAGE)}:{name}"
            taken = len(node.args.posonlyargs + node.args.args + node.args.kwonlyargs)
            taken -= node.args.args[:1] != [] and node.args.args[0].arg in ("self", "cls")
            long |= {name} if node.end_lineno - node.lineno >= BODY else set()
            many |= {name} if taken > PARAMETERS and room_of(path) != "cli" else set()
    assert long == set() and many == MANY_PARAMETERS


def test_the_page_shows_every_room_and_its_floor():
    text = (PACKAGE.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d) \| (.+) \|$", text, re.MULTILINE)
    assert {int(number): set(re.findall(r"`(\w+)`", rooms)) for number, rooms in rows} == dict(
        enumerate(map(set, FLOORS))
    )
    tree = set(re.findall(r"^  (\w+)(?:\.py|/) +\S", text, re.MULTILINE))
    assert tree == set(FLOOR)
