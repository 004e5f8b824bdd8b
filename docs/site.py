"""What the site has beside docs/: the README as its first page, and the files outside docs/ that pages link to.

MkDocs calls these functions (`hooks` in mkdocs.yml). In the repository a link leads from file to file; here it is
turned into one of the site.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parent.parent
FIRST = {"README.md": "index.md"}
OUTSIDE = ("CHANGELOG.md", "CITATION.cff", "config/*", "results/published/**/*", "spic/weights/*.md")


def on_files(files, config):
    """Add the files outside docs/."""
    found = [path.relative_to(ROOT).as_posix() for glob in OUTSIDE for path in ROOT.glob(glob) if path.is_file()]
    for path in [*FIRST, *sorted(found)]:
        files.append(File.generated(config, FIRST.get(path, path), abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown, page, config, files):
    """Turn links between files of the repository into links of the site."""
    placed = {here: there for there, here in FIRST.items()}
    uri = page.file.src_uri
    folder = posixpath.dirname(placed.get(uri, uri if (ROOT / uri).exists() else f"docs/{uri}"))

    def link(match):
        target = posixpath.normpath(posixpath.join(folder, match[2]))
        if (ROOT / target).is_dir():
            target += "/README.md"
        target = FIRST.get(target, target.removeprefix("docs/"))
        return f"{match[1]}{posixpath.relpath(target, posixpath.dirname(uri) or '.')}{match[3]}"

    return re.sub(r"(\]\()(?![a-z]+:)([^)#\s]+)((?:#[^)]*)?\))", link, markdown)
