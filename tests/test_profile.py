import keras
import pytest

from tlvit_utils.session import PROFILES, Profile, current_profile, describe_session


@pytest.mark.parametrize("name, chosen", [("smoke", 1), ("quick", 3), ("full", 20)])
def test_a_profile_chooses_its_own_value(name, chosen, monkeypatch):
    monkeypatch.setenv("TLVIT_PROFILE", name)
    assert current_profile() == Profile(name)
    assert current_profile().choose(smoke=1, quick=3, full=20) == chosen


def test_without_a_name_the_profile_is_quick(monkeypatch):
    monkeypatch.setenv("TLVIT_PROFILE", "")
    assert current_profile().name == "quick"
    monkeypatch.delenv("TLVIT_PROFILE")
    assert current_profile().name == "quick"


def test_an_unknown_profile_is_refused(monkeypatch):
    monkeypatch.setenv("TLVIT_PROFILE", "fast")
    with pytest.raises(ValueError, match=r"TLVIT_PROFILE is 'fast'.*smoke, quick, full"):
        current_profile()


def test_the_session_is_described_in_one_line(monkeypatch):
    monkeypatch.setenv("TLVIT_PROFILE", "smoke")
    line = describe_session()
    assert "\n" not in line
    assert f"Keras {keras.version()} on {keras.backend.backend()}" in line
    assert f"profile smoke: {PROFILES['smoke']}" in line
