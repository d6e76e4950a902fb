"""This session: how much work the notebooks do (the profile), and what computes it (the machine).

`TLVIT_PROFILE` chooses how much: `smoke` (seconds), `quick` (minutes) or `full` (a GPU's day);
without it the profile is `quick`. A notebook states all its sizes side by side, where the reader
sees them: `epochs = PROFILE.choose(smoke=1, quick=3, full=20)`.
"""

import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path

import keras

CPU_FACTS = Path("/proc/cpuinfo")  # on Linux


@dataclass(frozen=True)
class Gpu:
    """A GPU that the backend of this session uses.

    Attributes:
        name: what its maker calls it.
        capability: CUDA's compute capability, such as 7.5, or None where it has none.
    """

    name: str
    capability: float | None


@dataclass(frozen=True)
class Compute:
    """How to compute here; as a string, one line that says so.

    Attributes:
        device: what computes, in words.
        dtype_policy: for `keras.config.set_dtype_policy`, before the model is built.
        jit_compile: for `training.train`.
    """

    device: str
    dtype_policy: str
    jit_compile: bool | str

    def __str__(self):
        how = "compiled where Keras can" if self.jit_compile else "not compiled"
        return f"Training on {self.device} in {self.dtype_policy}, {how}."


def find_gpus() -> list[Gpu]:
    """Return the GPUs that the backend of this session sees."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        details = [
            tf.config.experimental.get_device_details(gpu)
            for gpu in tf.config.list_physical_devices("GPU")
        ]
        found = [(each.get("device_name"), each.get("compute_capability")) for each in details]
        return [
            Gpu(name or "GPU", float(".".join(map(str, capability))) if capability else None)
            for name, capability in found
        ]
    if backend == "jax":
        import jax

        gpus = [device for device in jax.devices() if device.platform == "gpu"]
        return [
            Gpu(gpu.device_kind, cuda_capability(getattr(gpu, "compute_capability", None)))
            for gpu in gpus
        ]
    if backend == "torch":
        import torch

        return [
            Gpu(
                torch.cuda.get_device_name(i),
                float(".".join(map(str, torch.cuda.get_device_capability(i)))),
            )
            for i in range(torch.cuda.device_count())
        ]
    return []


def cuda_capability(text: str | None) -> float | None:
    """Return "9.0" as a number; None for None and for AMD's, which name a chip ("gfx942")."""
    try:
        return float(text)
    except (TypeError, ValueError):
        return None


def cpu_has_bfloat16() -> bool:
    """Return whether this processor multiplies bfloat16 itself; False where nothing tells."""
    if not CPU_FACTS.exists():
        return False
    return not {"avx512_bf16", "amx_bf16"}.isdisjoint(CPU_FACTS.read_text().split())


def choose_compute() -> Compute:
    """Choose precision and compilation by what is there.

    A GPU trains in bfloat16 from compute capability 8.0 on, where it has units for it, below that
    in float16 (Keras then scales the loss). A CPU trains in float32, except with TensorFlow where
    the processor has units for bfloat16: `benchmarks/throughput.py` measures both. Keras decides
    what to compile, except on a CPU with TensorFlow: measured on two cores, its own kernels are as
    fast as XLA's for the light model and faster for convolutions, and the first step comes sooner.
    """
    gpus = find_gpus()
    if gpus:
        capability = gpus[0].capability
        policy = "mixed_float16" if capability and capability < 8 else "mixed_bfloat16"
        device = gpus[0].name if len(gpus) == 1 else f"{len(gpus)} × {gpus[0].name}"
        return Compute(device, policy, "auto")
    device = f"a CPU, {os.cpu_count()} cores,"
    if keras.backend.backend() != "tensorflow":
        return Compute(device, "float32", "auto")
    return Compute(device, "mixed_bfloat16" if cpu_has_bfloat16() else "float32", False)


def session_fields() -> dict:
    """Return `machine` and `versions`, which stand beside every published number."""
    gpus = [gpu.name for gpu in find_gpus()]
    backend = keras.backend.backend()
    return {
        "machine": ", ".join(
            [f"{os.cpu_count()} cores", platform.machine(), platform.system(), *gpus]
        ),
        "versions": {
            "python": platform.python_version(),
            "keras": keras.version(),
            backend: sys.modules[backend].__version__,
        },
    }


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
