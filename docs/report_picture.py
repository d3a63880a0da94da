"""The picture of the report in README.md: the first screen of reports/index.html of the generated sample.

PYTHONPATH=. python docs/report_picture.py        # after `make run`; needs chromium and chromedriver
"""

import argparse
from io import BytesIO
from pathlib import Path

from PIL import Image

from stages.core import atomic
from tests.fixtures import browser

COLOURS = 128
"""Of the palette: a third of the bytes, and text is as sharp."""


def main() -> None:
    """Take the picture."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--report", type=Path, default=Path("reports/index.html"))
    parser.add_argument("--out", type=Path, default=Path("docs/report.png"))
    args = parser.parse_args()
    with browser.chrome("--hide-scrollbars", size="1400,1000") as driver:
        browser.in_colours(driver, "light")
        driver.get(args.report.resolve().as_uri())
        png = driver.get_screenshot_as_png()
    with atomic.file(args.out) as part, Image.open(BytesIO(png)) as picture:
        picture.convert("RGB").quantize(COLOURS).save(part, "PNG", optimize=True)


if __name__ == "__main__":
    main()
