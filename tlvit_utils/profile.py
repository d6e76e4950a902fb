"""How much work the notebooks do: `smoke` (seconds), `quick` (minutes) or `full` (a GPU's day).

`TLVIT_PROFILE` chooses; without it the profile is `quick`. A notebook states all its sizes side by
side, where the reader sees them: `epochs = PROFILE.choose(smoke=1, quick=3, full=20)`.
"""

import os
import platform
import sys
from dataclasses import dataclass

import keras

from tlvit_utils.machine import find_gpus

PROFILES = {
    "smoke": "seconds per notebook, to test that everything runs; the numbers mean nothing",
    "quick": "minutes on two processor cores, real learning",
    "full": "the published budgets, for a GPU",
}


@dataclass(frozen=True)
class Profile:
    """One of the three sizes in which the notebooks run."""

    name: str

    def __post_init__(self):
        if self.name not in PROFILES:
            raise ValueError(
                f"TLVIT_PROFILE is {self.name!r}, but it must be one of {', '.join(PROFILES)}; "
                "set it to one of these, or unset it for 'quick'."
            )

    def choose(self, *, smoke, quick, full):
        """Return the one of the three values that belongs to this profile."""
        return {"smoke": smoke, "quick": quick, "full": full}[self.name]


def current_profile() -> Profile:
    """Return the profile that `TLVIT_PROFILE` names, `quick` where it is unset or empty.

    Raises:
        ValueError: `TLVIT_PROFILE` names no profile.
    """
    return Profile(os.environ.get("TLVIT_PROFILE") or "quick")


def describe_session() -> str:
    """Return one line with the versions, the device and the profile of this session."""
    backend = keras.backend.backend()
    backend += f" {sys.modules[backend].__version__}"
    devices = ", ".join(gpu.name for gpu in find_gpus()) or f"CPU, {os.cpu_count()} cores"
    profile = current_profile().name
    return (
        f"Python {platform.python_version()} · Keras {keras.version()} on {backend} · "
        f"{devices} · profile {profile}: {PROFILES[profile]}"
    )
