import keras
import pytest

from tlvit_utils import session
from tlvit_utils.session import (
    Gpu,
    choose_compute,
    current_profile,
    session_fields,
    use_course_settings,
)


@pytest.mark.parametrize(
    "gpus, policy, device, system",
    [
        ([Gpu("Tesla T4", 7.5)], "mixed_float16", "Tesla T4", "Linux"),
        ([Gpu("NVIDIA H200", 9.0)] * 2, "mixed_bfloat16", "2 × NVIDIA H200", "Linux"),
        ([Gpu("of another maker", None)], "mixed_bfloat16", "of another maker", "Linux"),
        ([Gpu(session.APPLE, None)], "float32", "Apple's GPU", "Darwin"),
        ([Gpu("METAL", None)], "float32", "METAL", "Darwin"),  # TensorFlow's name for it
        ([], "float32", "a CPU, 2 cores", "Linux"),
    ],
)
def test_the_precision_is_that_of_the_device(gpus, policy, device, system, monkeypatch):
    monkeypatch.setattr("platform.system", lambda: system)
    monkeypatch.setattr(session, "find_gpus", lambda: gpus)
    monkeypatch.setattr(session, "cpu_has_bfloat16", lambda: False)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    compute = choose_compute()
    assert (compute.device, compute.dtype_policy) == (device, policy)
    end = "," if "," in device else ""
    assert f"on {device}{end} in {policy}, " in str(compute)


@pytest.mark.parametrize(
    "flags, policies",
    [
        ("flags : fpu avx512f avx512_bf16 sse", ["mixed_bfloat16", "float32"]),
        ("flags : fpu amx_bf16", ["mixed_bfloat16", "float32"]),
        ("flags : fpu avx2 my_avx512_bf16_not", ["float32", "float32"]),
        (None, ["float32", "float32"]),
    ],
)
def test_a_cpu_with_units_for_bfloat16_uses_them_on_tensorflow(
    flags, policies, monkeypatch, tmp_path
):
    monkeypatch.setattr(session, "CPU_INFO", tmp_path / "cpuinfo")
    if flags is not None:
        (tmp_path / "cpuinfo").write_text(flags)
    monkeypatch.setattr(session, "find_gpus", list)
    for backend, policy in zip(("tensorflow", "jax"), policies, strict=True):
        monkeypatch.setattr(keras.backend, "backend", lambda backend=backend: backend)
        assert choose_compute().dtype_policy == policy


def test_the_fields_name_the_backend_and_the_gpus(monkeypatch):
    monkeypatch.setattr(session, "find_gpus", lambda: [Gpu("NVIDIA H200", 9.0)])
    fields = session_fields()
    assert set(fields) == {"machine", "versions"}
    assert set(fields["versions"]) == {"tlvit_utils", "python", "keras", keras.backend.backend()}
    assert fields["versions"]["keras"] == keras.version()
    assert fields["machine"].endswith(", NVIDIA H200")


@pytest.mark.parametrize("name, chosen", [("smoke", 1), ("quick", 3), ("full", 20), ("", 3)])
def test_a_profile_chooses_its_own_value(name, chosen, monkeypatch):
    monkeypatch.setenv("TLVIT_PROFILE", name)
    assert current_profile().choose(smoke=1, quick=3, full=20) == chosen


def test_an_unknown_profile_is_refused(monkeypatch):
    monkeypatch.setenv("TLVIT_PROFILE", "fast")
    with pytest.raises(ValueError, match=r"TLVIT_PROFILE is 'fast'.*'smoke', 'quick', 'full'"):
        current_profile()


def test_the_notebooks_compute_in_float32_with_channels_last_whatever_keras_is_set_to():
    keras.config.set_floatx("float16")
    keras.config.set_image_data_format("channels_first")
    keras.config.set_dtype_policy("mixed_bfloat16")
    use_course_settings()
    dense = keras.layers.Dense(2)
    dense.build((None, 3))
    assert (dense.compute_dtype, dense.kernel.dtype) == ("float32", "float32")
    assert keras.config.image_data_format() == "channels_last"
