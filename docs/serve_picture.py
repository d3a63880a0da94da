"""The picture in README.md and docs/how-to/serve.md: a generated scan, with the mask of models/export.

PYTHONPATH=. python docs/serve_picture.py        # after `make run`; needs chromium and chromedriver
"""

import argparse
from pathlib import Path

from tests.fixtures import browser, served
from tests.fixtures.served import Page


def main() -> None:
    """Take the picture."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--model", type=Path, default=Path("models/export"))
    parser.add_argument("--out", type=Path, default=Path("docs/serve.png"))
    args = parser.parse_args()
    with served.running(args.model) as address, browser.chrome(size="1400,1000") as driver:
        page = Page(driver, address).open()
        page.id("demo").click()
        page.until(lambda: page.all("#list li"))
        page.until(lambda: not page.all("[data-status=queued], [data-status=running]"))
        page.until(lambda: page.all("canvas[data-slice]"))
        page.drawn()
        args.out.write_bytes(driver.get_screenshot_as_png())


if __name__ == "__main__":
    main()
