"""Lists this machine's fonts for matplotlib in a fixed order; the image calls it."""

import json
from pathlib import Path

import matplotlib
import matplotlib.font_manager  # writes the list, in the order in which the disk names them

for path in Path(matplotlib.get_cachedir()).glob("fontlist-*.json"):
    fonts = json.loads(path.read_text())
    for kind in ("afmlist", "ttflist"):
        fonts[kind].sort(key=lambda font: font["fname"])
    path.write_text(json.dumps(fonts))
