"""The profile (how much work the notebooks do) and the machine (what they run on).

`TLVIT_PROFILE` is `smoke` (seconds), `quick` (minutes, the default) or `full` (for a GPU). A
notebook states its sizes side by side: `epochs = PROFILE.choose(smoke=1, quick=3, full=20)`.
"""

import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import keras

from tlvit_utils import __version__
from tlvit_utils._validation import check_choice

CPU_INFO = Path("/proc/cpuinfo")  # on Linux
APPLE = "Apple's GPU"
PROFILES = {
    "smoke": "seconds per notebook, to test that everything runs; the numbers mean nothing",
    "quick": "minutes on two processor cores, real learning",
    "full": "the published budgets, for a GPU",
}


class Gpu(NamedTuple):
    """A GPU's (or TPU's) name, and its CUDA compute capability or None."""

    name: str
    capability: float | None


@dataclass(frozen=True)
class Compute:
    """How to compute here: what the models' dtype policy and `compile` should be."""

    device: str
    dtype_policy: str
    jit_compile: bool | str

    def __str__(self):
        how = "compiled where Keras can" if self.jit_compile else "not compiled"
        device = f"{self.device}," if "," in self.device else self.device  # "a CPU, 2 cores, in"
        return f"Training on {device} in {self.dtype_policy}, {how}."


def find_gpus() -> list[Gpu]:
    """Return the GPUs, on JAX also TPUs, that this session may use."""
    match keras.backend.backend():
        case "tensorflow":
            import tensorflow as tf

            gpus = tf.config.get_visible_devices("GPU")
            details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
            found = [(each.get("device_name"), each.get("compute_capability")) for each in details]
        case "jax":
            import jax

            gpus = [device for device in jax.devices() if device.platform != "cpu"]
            found = [(gpu.device_kind, getattr(gpu, "compute_capability", None)) for gpu in gpus]
        case "torch":
            from torch import backends, cuda

            numbers = range(cuda.device_count())
            found = [(cuda.get_device_name(i), cuda.get_device_capability(i)) for i in numbers]
            if backends.mps.is_available():
                found.append((APPLE, None))
        case _:
            found = []
    return [Gpu(name or "GPU", cuda_capability(capability)) for name, capability in found]


def cuda_capability(capability: str | tuple[int, int] | None) -> float | None:
    """Return "9.0" or (9, 0) as 9.0; None for None and for AMD's, which name a chip ("gfx942")."""
    if isinstance(capability, tuple):
        capability = ".".join(map(str, capability))
    try:
        return float(capability)
    except (TypeError, ValueError):
        return None


def cpu_has_bfloat16() -> bool:
    """Return whether this processor multiplies bfloat16 itself; False where that is unknown."""
    if not CPU_INFO.exists():
        return False
    return not {"avx512_bf16", "amx_bf16"}.isdisjoint(CPU_INFO.read_text().split())


def choose_compute() -> Compute:
    """Choose the precision and compilation that suit the hardware.

    A GPU trains in bfloat16 from compute capability 8.0 up, and below that in float16 (Keras then
    scales the loss). A TPU trains in bfloat16 and Apple's GPU in float32. A CPU trains in float32,
    or on TensorFlow in bfloat16 if it has units for it. There TensorFlow's own kernels start sooner
    than XLA's; elsewhere Keras decides what to compile.
    """
    gpus = find_gpus()
    if gpus:
        capability = gpus[0].capability
        policy = "mixed_float16" if capability and capability < 8 else "mixed_bfloat16"
        policy = "float32" if platform.system() == "Darwin" else policy  # Apple's GPU
        device = gpus[0].name if len(gpus) == 1 else f"{len(gpus)} × {gpus[0].name}"
        return Compute(device, policy, "auto")
    device = f"a CPU, {os.cpu_count()} cores"
    if keras.backend.backend() != "tensorflow":
        return Compute(device, "float32", "auto")
    return Compute(device, "mixed_bfloat16" if cpu_has_bfloat16() else "float32", False)


def session_fields() -> dict:
    """Return `machine` and `versions`, which are published with every number."""
    gpus = [gpu.name for gpu in find_gpus()]
    machine = [f"{os.cpu_count()} cores", platform.machine(), platform.system(), *gpus]
    backend = keras.backend.backend()
    versions = {"tlvit_utils": __version__, "python": platform.python_version()}
    versions["keras"] = keras.version()
    versions[backend] = sys.modules[backend].__version__
    return {"machine": ", ".join(machine), "versions": versions}


@dataclass(frozen=True)
class Profile:
    """One of the three sizes in which the notebooks run."""

    name: str

    def __post_init__(self):
        check_choice("TLVIT_PROFILE", self.name, PROFILES)

    def choose(self, *, smoke, quick, full):
        """Return this profile's value."""
        return {"smoke": smoke, "quick": quick, "full": full}[self.name]


def current_profile() -> Profile:
    """Return the profile that `TLVIT_PROFILE` names, or `quick` if it is unset or empty."""
    return Profile(os.environ.get("TLVIT_PROFILE") or "quick")


def use_course_settings() -> None:
    """Compute in float32 with channels last, which the notebooks' numbers and cells assume.

    Keras would take both from its `keras.json`. The package itself works with any setting.
    """
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
    keras.config.set_image_data_format("channels_last")


def describe_session() -> str:
    """Return one line with the versions, the device and the profile of this session."""
    backend = keras.backend.backend()
    devices = ", ".join(gpu.name for gpu in find_gpus()) or f"CPU, {os.cpu_count()} cores"
    profile = current_profile().name
    return (
        f"Python {platform.python_version()} · Keras {keras.version()} on {backend} "
        f"{sys.modules[backend].__version__} · {devices} · profile {profile}: {PROFILES[profile]}"
    )
