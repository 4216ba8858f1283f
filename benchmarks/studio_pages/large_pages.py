"""The studio on a store of 100,000 pictures and 2,000 cells, in Chromium: first page, reruns, memory, the grid.

`first_page_s`: from the address to the verdict and the table, on a server that has just started, the ranking kept from
an earlier opening (`first_ranking_s`: the very first, which ranks). `rerun_s`: the slowest of 200 clicks on pages,
filters and pages of the wall (`rerun_median_s`), from the click until the script is done; `memory_mib`: the server's
resident memory then. `grid_paint_s`: from the click on a page of 200 pictures to the last of them painted, with the
small copies not made yet (`grid_paint_again_s`: made). The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from large_store import Size, write_large_store
from websockets.asyncio.client import ClientConnection, connect

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from this_machine.words import machine_in_words

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = "chromium"
CLICKS = 200
PATIENCE = 240.0
STATE = "data-test-script-state"
# In the page: clicks, and tells the seconds until the script that this begins has ended.
RERUN = """new Promise((done) => {
  const app = document.querySelector('[STATE]');
  const began = performance.now();
  let ran = false;
  const watch = new MutationObserver(() => {
    if (app.getAttribute('STATE') !== 'notRunning') ran = true;
    else if (ran) { watch.disconnect(); done((performance.now() - began) / 1000); }
  });
  watch.observe(app, { attributes: true });
  setTimeout(() => done(20), 20000);
  if (!(ACT)) done(-1);
})""".replace("STATE", STATE)
WALL = "[...document.querySelectorAll('*')].find((e) => e.shadowRoot?.querySelector('.tile'))?.shadowRoot"
# In the page: seconds until every picture of a wall is there and painted, `lazy` ones as well.
PAINTED = """new Promise((done) => {
  const began = performance.now();
  const look = () => {
    const wall = WALL;
    const images = wall ? [...wall.querySelectorAll('.tile img')] : [];
    images.forEach((one) => { one.loading = 'eager'; });
    const fresh = images.length >= LEAST && images[IMAGE].src !== window.__before;
    if (fresh && images.every((one) => one.complete && one.naturalWidth))
      Promise.all(images.map((one) => one.decode())).then(() => requestAnimationFrame(() => requestAnimationFrame(
        () => done({ seconds: (performance.now() - began) / 1000, pictures: images.length }))));
    else if (performance.now() - began > 60000) done({ seconds: 60, pictures: images.length });
    else requestAnimationFrame(look);
  };
  if (!(ACT)) done({ seconds: -1, pictures: 0 }); else look();
})"""


class Browser:
    """A tab of headless Chromium, by the DevTools protocol."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._asked = socket, 0

    async def call(self, method: str, **parameters: object) -> dict[str, Any]:
        self._asked += 1
        await self._socket.send(json.dumps({"id": self._asked, "method": method, "params": parameters}))
        while True:
            answer: dict[str, Any] = json.loads(await self._socket.recv())
            if answer.get("id") == self._asked:
                return answer.get("result", {})

    async def value(self, script: str) -> Any:
        found = await self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        return found.get("result", {}).get("value")

    async def until(self, words: str) -> float:
        """Seconds until the page says so."""
        began = time.perf_counter()
        while time.perf_counter() - began < PATIENCE:
            if await self.value(f"document.body?.innerText.includes({json.dumps(words)}) ?? false"):
                return time.perf_counter() - began
            await asyncio.sleep(0.02)
        raise TimeoutError(f"the page never said {words!r}")

    async def settled(self) -> None:
        """Wait until no script runs."""
        while await self.value(f"document.querySelector('[{STATE}]')?.getAttribute('{STATE}')") != "notRunning":
            await asyncio.sleep(0.1)

    async def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode((await self.call("Page.captureScreenshot", format="png"))["data"]))


def click_on(selector: str, words: str = "") -> str:
    """A script that clicks on what is found; false where nothing is."""
    found = (
        f"[...document.querySelectorAll({json.dumps(selector)})].find((e) => e.innerText.includes({json.dumps(words)}))"
    )
    return f"(() => {{ const e = {found}; e?.click(); return Boolean(e); }})()"


PAGE = '[data-testid="stSidebarNavLink"]'
NEXT = "(() => { const e = document.querySelector('[data-testid=stPaginationNext]'); e?.click(); return !!e; })()"


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def memory_mib(process: int) -> float:
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return float("nan")


def serve(store: Path, port: int) -> subprocess.Popen[bytes]:
    """The studio, answering."""
    command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "studio"), "--server.port", str(port)]
    command += ["--server.headless", "true", "--", str(store)]
    variables = os.environ | {"PYTHONPATH": str(ROOT)}
    running = subprocess.Popen(command, env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    for _ in range(600):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1).close()
            return running
        except OSError:
            time.sleep(0.1)
    raise TimeoutError("the studio did not start")


async def opened(debugging: int) -> str:
    for _ in range(100):
        try:
            tabs = json.loads(urllib.request.urlopen(f"http://127.0.0.1:{debugging}/json").read())
            return next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
        except (OSError, StopIteration):
            await asyncio.sleep(0.2)
    raise TimeoutError("Chromium did not start")


async def first_page(tab: Browser, port: int) -> float:
    """Seconds to the last of the first page: the chart below the table is drawn."""
    began = time.perf_counter()
    await tab.call("Page.navigate", url=f"http://127.0.0.1:{port}/ranking_page")
    await tab.until("UNet and text-encoder weights")
    await tab.settled()
    while not await tab.value("Boolean(document.querySelector('[data-testid=stVegaLiteChart] canvas'))"):
        await asyncio.sleep(0.02)
    return time.perf_counter() - began


async def clicks(tab: Browser, count: int) -> list[float]:
    """So many clicks: on pages, a filter, and pages of the wall."""
    took: list[float] = []
    toggle = click_on('[data-testid="stCheckbox"] input')
    acts = [
        *(click_on(PAGE, name) for name in ("Ranking", "Grid")),
        *[NEXT] * 4,
        click_on(PAGE, "Ranking"),
        *[toggle] * 2,
        click_on(PAGE, "Pictures"),
        click_on(PAGE, "Export"),
    ]
    while len(took) < count:
        act = acts[len(took) % len(acts)]
        seconds = await tab.value(RERUN.replace("ACT", act))
        if seconds is None or seconds < 0:
            raise RuntimeError(f"nothing to click on: {act}")
        if seconds > 1:
            print(f"{seconds:.2f} s: {act}", file=sys.stderr)
        took.append(seconds)
        await tab.settled()
    return took


async def grid_paint(tab: Browser, act: str, least: int) -> float:
    await tab.value(f"window.__before = ({WALL})?.querySelectorAll('.tile img')[1]?.src")
    script = PAINTED.replace("WALL", WALL).replace("LEAST", str(least)).replace("IMAGE", "1").replace("ACT", act)
    found = await tab.value(script)
    print(f"{found['pictures']} pictures in {found['seconds']:.2f} s", file=sys.stderr)
    return float(found["seconds"])


async def session(store: Path, port: int, server: int, debugging: int, count: int) -> dict[str, object]:
    async with connect(await opened(debugging), max_size=None) as link:
        tab = Browser(link)
        await tab.call("Page.enable")
        await tab.call("Emulation.setDeviceMetricsOverride", width=1280, height=1000, deviceScaleFactor=1, mobile=False)
        first = await first_page(tab, port)
        begun = memory_mib(server)
        shutil.rmtree(store / "thumbnails", ignore_errors=True)
        wall = await grid_paint(tab, click_on(PAGE, "Grid"), 190)
        page = await grid_paint(tab, NEXT, 100)
        await tab.settled()
        await tab.screenshot(store / "grid.png")
        took = await clicks(tab, count)
        await tab.value(RERUN.replace("ACT", click_on(PAGE, "Ranking")))
        again = await grid_paint(tab, click_on(PAGE, "Grid"), 190)
        return {
            "first_page_s": round(first, 2),
            "rerun_s": round(max(took), 2),
            "clicks": count,
            "load": os.getloadavg()[0],
            "rerun_median_s": round(statistics.median(took), 3),
            "memory_mib": round(memory_mib(server)),
            "memory_first_mib": round(begun),
            "grid_paint_s": round(max(wall, page), 2),
            "grid_paint_again_s": round(again, 2),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", type=Path, help="where the store is, or is to be made")
    parser.add_argument("--checkpoints", type=int, default=Size().checkpoints, help="50 cells of 50 pictures each")
    parser.add_argument("--clicks", type=int, default=CLICKS)
    arguments = parser.parse_args()
    store = write_large_store(arguments.store, Size(arguments.checkpoints))
    from studio.shared.kept_ranking import keep, read_kept

    began = time.perf_counter()
    ranked: dict[str, object] = {}
    if read_kept(store) is None:
        keep(store)
        ranked = {"first_ranking_s": round(time.perf_counter() - began, 1)}
    port, debugging = free_port(), free_port()
    with tempfile.TemporaryDirectory() as profile, serve(store, port) as server:
        command = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", f"--remote-debugging-port={debugging}"]
        command += [f"--user-data-dir={profile}", "about:blank"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as browser:
            try:
                found = asyncio.run(session(store, port, server.pid, debugging, arguments.clicks))
            finally:
                browser.terminate()
                server.terminate()
    print(json.dumps({**found, **ranked, "machine": machine_in_words()}))


if __name__ == "__main__":
    main()
