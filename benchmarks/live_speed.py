"""How fast the live page opens, and how fast it draws a change, in Chromium or Chrome.

A page with one network and 60 pictures is opened from disk in a window that is not shown. Opening
takes from the start of the navigation until the first picture is drawn. A change takes from the
reader's action until the next frame is drawn with it, the wait for that frame included. Each number
is the median over several openings or many changes.

    python benchmarks/live_speed.py [--write] [--networks NAME …]    # a table, and the result file
"""

import shutil
import tempfile
from pathlib import Path
from statistics import median

import numpy as np
from playwright.sync_api import sync_playwright

from results import result_parser, save_rows
from tlvit_utils import live
from tlvit_utils.pretrained import PRETRAINED, load_pretrained

SHOWN = ["modern_8_tokens", "modern_8_tokens_v1.1", "scenes_weighted_mean"]
PICTURES = 60
LOADS, CHANGES = 5, 40

# the time since the navigation began at which the prediction stands in the page
WATCH = """
(function look() {
  if (document.querySelector(".verdict")?.textContent) window.drawnAfter = performance.now();
  else requestAnimationFrame(look);
})();
"""
# the milliseconds from an action until the frame after it is drawn, many times
MEASURE = """
async ([count, body]) => {
  const act = new Function("i", body), times = [];
  const frame = () => new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)));
  for (let i = 0; i < count; i++) {
    await frame();
    const start = performance.now();
    act(i);
    await frame();
    times.push(performance.now() - start);
    await new Promise((rested) => setTimeout(rested, 50));
  }
  return times;
}
"""
ACTIONS = {
    "another picture": "document.querySelectorAll('#thumbs input')[i].click();",
    "a token off or on": "document.querySelectorAll('.token input')[1].click();",
    "flat maps or its own": (
        "document.querySelector(`[name=maps][value=${i % 2 ? 'own' : 'flat'}]`).click();"
    ),
    "a dab on the picture": """
        const pad = document.querySelector(".pad"), box = pad.getBoundingClientRect();
        const place = { clientX: box.left + box.width * (0.2 + 0.015 * i), pointerId: 1, button: 0,
          buttons: 1, clientY: box.top + box.height / 2, bubbles: true, pointerType: "mouse" };
        if (!i) pad.setPointerCapture = () => {}; // no pointer is real here
        pad.dispatchEvent(new PointerEvent("pointerdown", place));
        pad.dispatchEvent(new PointerEvent("pointerup", { ...place, buttons: 0 }));
    """,
}
MODES = {"a dab on the picture": "picture", "another picture": "look"}


def measure(browser, address):
    """Return the median milliseconds until a page is open, and of each action."""
    opened = []
    for _ in range(LOADS):
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.add_init_script(WATCH)
        page.goto(address)
        page.wait_for_function("window.drawnAfter")
        opened.append(page.evaluate("window.drawnAfter"))
        if len(opened) < LOADS:
            page.close()
    yield "opening", opened
    for name, body in ACTIONS.items():
        page.check(f"[name=mode][value={MODES.get(name, 'network')}]")
        yield name, page.evaluate(MEASURE, [CHANGES, body])
    page.close()


def main():
    parser = result_parser(__doc__)
    parser.add_argument("--networks", nargs="+", choices=PRETRAINED, default=SHOWN, metavar="NAME")
    options = parser.parse_args()
    rows = []
    with sync_playwright() as driver, tempfile.TemporaryDirectory() as folder:
        path = shutil.which("chromium") or shutil.which("google-chrome")
        browser = driver.chromium.launch(executable_path=path)
        for name in options.networks:
            model, file = load_pretrained(name), Path(folder) / "page.html"
            live.page(model, *pictures(model.input_shape[1])).save(file)
            print(name, f"{file.stat().st_size / 1e6:.2f} MB")
            for action, times in measure(browser, file.as_uri()):
                rows.append({"network": name, "action": action, "ms": round(median(times), 1)})
                print(f"  {action:<22}{median(times):>7.1f} ms (longest {max(times):.1f})")
        browser.close()
    if options.write:
        save_rows("live_speed", rows, pictures=PICTURES, changes=CHANGES)


def pictures(size):
    """Return coarse noise with labels: what is in a picture does not change the time it takes."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (PICTURES, size // 4, size // 4, 3), dtype="uint8")
    return coarse.repeat(4, axis=1).repeat(4, axis=2), rng.integers(0, 10, PICTURES)


if __name__ == "__main__":
    main()
