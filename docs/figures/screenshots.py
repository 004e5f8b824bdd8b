"""report.webp and gallery.webp: first page and gallery of a run as Chromium shows them.

    python docs/figures/screenshots.py results/demo

Of drawn streets only: frames of CamVid may not be passed on.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

HERE = Path(__file__).parent
SHOTS = {"report": ("overview.html", 1200, 1500), "gallery": ("gallery/index.html", 1400, 1150)}
OPTIONS = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=5000"]


def main(run: str) -> None:
    for name, (page, width, height) in SHOTS.items():
        with tempfile.TemporaryDirectory() as folder:
            shot = Path(folder, "shot.png")
            address = Path(run, page).resolve().as_uri()
            options = [*OPTIONS, f"--window-size={width},{height}", f"--screenshot={shot}"]
            subprocess.run(["chromium", *options, address], check=True, capture_output=True)
            picture = Image.open(shot).convert("RGB")
        picture = picture.resize((1000, round(1000 * height / width)), Image.Resampling.LANCZOS)
        picture.save(HERE / f"{name}.webp", quality=82, method=6)


if __name__ == "__main__":
    main(*sys.argv[1:])
