"""Looks at every page of the built site in a real browser, on a phone's width: no page may be wider than the screen.

    python tools/docs/narrow.py site
    python tools/docs/narrow.py site --pictures FOLDER --pages how-to/django.html …

Needs Chromium; without one it says so and ends with 0. Pages are shown in a frame of 360 pixels by a page of this script's own,
which is served from the loopback address.
"""

from __future__ import annotations

import argparse
import functools
import html
import http.server
import json
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

WIDTH, HEIGHT, PATIENCE = 360, 780, 300
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HARNESS = """<!doctype html><title>narrow</title><pre id="found">waiting</pre><script>
const pages = PAGES, found = {};
const frame = document.createElement("iframe");
frame.style.cssText = "width:WIDTHpx;height:HEIGHTpx;border:0";
document.body.appendChild(frame);
async function look(page) {
  await new Promise((done) => { frame.onload = done; frame.src = page; });
  await new Promise((done) => setTimeout(done, 50));
  const root = frame.contentDocument.scrollingElement;
  frame.contentWindow.scrollTo(10000, 0);
  found[page] = [root.scrollWidth, frame.contentWindow.scrollX];
}
(async () => {
  for (const page of pages) await look(page);
  document.getElementById("found").textContent = "done " + JSON.stringify(found);
})();
</script>"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Tells nobody of each request; has one page of its own."""

    harness = b""

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def do_GET(self) -> None:
        """The site, and the page that looks at it."""
        if self.path != "/narrow.html":
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(self.harness)


class Server(http.server.ThreadingHTTPServer):
    """Does not mind a browser that goes away."""

    def handle_error(self, *_: object) -> None:
        """Nothing."""


def browsed(*words: str) -> str:
    """What the browser prints."""
    with tempfile.TemporaryDirectory() as profile:
        command = [
            str(BROWSER),
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={profile}",
            "--hide-scrollbars",
            *words,
        ]
        return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False).stdout


def widths(port: int, pages: list[str]) -> dict[str, tuple[int, int]]:
    """Of each page, and how far it can be moved sideways."""
    Quiet.harness = (
        HARNESS.replace("PAGES", json.dumps(pages)).replace("WIDTH", str(WIDTH)).replace("HEIGHT", str(HEIGHT)).encode()
    )
    dom = browsed("--virtual-time-budget=200000", "--dump-dom", f"http://127.0.0.1:{port}/narrow.html")
    found = re.search(r'<pre id="found">done (.*?)</pre>', dom, re.DOTALL)
    if found is None:
        raise SystemExit(f"the browser has not come to the end:\n{dom[:2000]}")
    return {page: (width, moved) for page, (width, moved) in json.loads(html.unescape(found[1])).items()}


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser()
    parser.add_argument("site", type=Path)
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--pages", nargs="*")
    options = parser.parse_args()
    if BROWSER is None:
        print("Skipped: no Chromium to look with")
        return 0
    pages = options.pages or sorted(path.relative_to(options.site).as_posix() for path in options.site.rglob("*.html"))
    server = Server(("127.0.0.1", 0), functools.partial(Quiet, directory=str(options.site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    found = widths(server.server_port, pages)
    wide = {page: told for page, told in found.items() if told[0] > WIDTH or told[1]}
    for page, (width, moved) in wide.items():
        print(f"{page}: {width} pixels wide, moves sideways by {moved}")
    if options.pictures:
        for page in pages:
            target = options.pictures / f"{page.replace('/', '-').removesuffix('.html')}.png"
            Quiet.harness = (
                f'<body style="margin:0"><iframe src="/{page}" style="width:{WIDTH}px;height:2400px;border:0">'.encode()
            )
            browsed(
                f"--window-size={WIDTH},2400",
                "--virtual-time-budget=30000",
                f"--screenshot={target}",
                f"http://127.0.0.1:{server.server_port}/narrow.html",
            )
    server.shutdown()
    print(f"{len(found)} pages at {WIDTH} pixels, {len(wide)} too wide")
    return 1 if wide or not found else 0


if __name__ == "__main__":
    sys.exit(main())
