"""Draw docs/dreamed.jpg: what `amogus dream` makes of sample photographs; FOLDER/X.json says how sure the detector is.

python docs/dreamed.py FOLDER [OUT]; needs the [demo] extra, which brings the photographs, and [train]. About five
minutes on two cores; what lies in FOLDER already is shown, not dreamed again.
"""

import subprocess
import sys
from pathlib import Path

from PIL import Image, ImageOps

from amogus_search.core.types import Pixels
from amogus_search.synth.demo import SAMPLE_FILES, load_samples

CELL_WH, COLUMNS = (300, 200), 5


def dreamed(name: str, picture: Pixels, folder: Path) -> Path:
    """The dream of a photograph; what `amogus dream` said of it lies beside it."""
    said, after = folder / f"{Path(name).stem}.json", folder / f"{Path(name).stem}-dreamed.png"
    if not said.exists():
        before = folder / f"{said.stem}.png"
        Image.fromarray(picture).save(before)
        command = [sys.executable, "-m", "amogus_search", "dream", str(before), "--out", str(after)]
        options = ["--overwrite", "--quiet", "--format", "jsonl"]
        done = subprocess.run([*command, *options], check=True, capture_output=True)
        said.write_bytes(done.stdout)
    return after


if __name__ == "__main__":
    folder, target = Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "docs/dreamed.jpg")
    folder.mkdir(parents=True, exist_ok=True)
    cells = []
    for name, picture in zip(SAMPLE_FILES, load_samples(), strict=True):
        with Image.open(dreamed(name, picture, folder)) as made:
            cells.append(ImageOps.pad(made.convert("RGB"), CELL_WH, color="white"))
    rows = -(-len(cells) // COLUMNS)
    sheet = Image.new("RGB", (CELL_WH[0] * COLUMNS, CELL_WH[1] * rows), "white")
    for number, cell in enumerate(cells):
        sheet.paste(cell, (number % COLUMNS * CELL_WH[0], number // COLUMNS * CELL_WH[1]))
    sheet.save(target, quality=86)
