"""Published numbers: JSON files that say what made them."""

import json
import os
from dataclasses import asdict, is_dataclass

import numpy as np

from tlvit_utils.files import replacing


def save_result(path: str | os.PathLike, **facts) -> None:
    """Write the facts of a run as JSON, complete or not at all.

    Dataclasses become objects, and arrays lists.
    """
    with replacing(path) as temporary:
        text = json.dumps(facts, indent=1, default=_plain)
        temporary.write_text(text + "\n", encoding="utf-8")


def _plain(value):
    if is_dataclass(value):
        return asdict(value)
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"JSON cannot hold a value of type {type(value).__name__}.")
