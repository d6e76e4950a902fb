"""What a moved control of the attention viewer costs the kernel, at 256 pixels.

The time is from setting a trait until all widgets have their new values, PNG and words included:
what the kernel computes, not what the browser and the way to it add. Each row is the median over
many changes, of the time on the clock and of the processor time of this process, which is the
smaller one where other programs run too.

    python benchmarks/viewer_latency.py [--write]    # a table, and the result file
"""

import time
from itertools import cycle, islice, product
from statistics import median

from results import result_parser, save_rows

from tlvit_utils import load_pretrained
from tlvit_utils.data import load_shapes10
from tlvit_utils.figures.overlay import STYLES
from tlvit_utils.widgets.viewer import ALL_TOKENS, AttentionViewer

NUM_IMAGES = 60
CHANGES = 120
VALUES = {"image_index": range(NUM_IMAGES), "opacity": (0.3, 0.4, 0.5, 0.6)}


def milliseconds(viewer, trait, values) -> tuple[float, float]:
    """Return the median time of a change, on the clock and of the processor."""
    clock, processor = [], []
    for value in islice(cycle(values), CHANGES):
        start = time.perf_counter(), time.process_time()
        setattr(viewer, trait, value)
        clock.append(time.perf_counter() - start[0])
        processor.append(time.process_time() - start[1])
    return 1000 * median(clock), 1000 * median(processor)


def main():
    options = result_parser(__doc__).parse_args()
    model = load_pretrained("light_8_tokens")
    images, labels = load_shapes10(sizes=(NUM_IMAGES, 10, 10)).train
    viewer = AttentionViewer({"one": model, "two": model}, images, labels)
    rows = []
    print(f"{'models':>6}  {'token':<6}{'style':<11}{'change':<13}{'ms':>6}{'CPU ms':>8}")
    for second, token, style, trait in product((None, "two"), (0, ALL_TOKENS), STYLES, VALUES):
        viewer.second_model, viewer.token, viewer.style = second, token, style
        clock, processor = milliseconds(viewer, trait, VALUES[trait])
        row = {
            "models": 1 if second is None else 2,
            "tokens": "all" if token == ALL_TOKENS else "one",
            "style": style,
            "change": trait,
            "milliseconds": round(clock, 2),
            "cpu_milliseconds": round(processor, 2),
        }
        rows.append(row)
        models, tokens, *_ = row.values()
        print(f"{models:>6}  {tokens:<6}{style:<11}{trait:<13}{clock:>6.2f}{processor:>8.2f}")
    if options.write:
        save_rows("viewer_latency", rows, repeats=CHANGES, size=viewer.size)


if __name__ == "__main__":
    main()
