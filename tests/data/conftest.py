"""The data's tests run without CIFAR-10 and without a network, on files of a few images."""

import errno
import os

import pytest

from small_cifar10 import COUNT
from tlvit_utils.data import cifar10
from tlvit_utils.data.download import RemoteFile


@pytest.fixture(autouse=True)
def nothing_at_hand(monkeypatch, tmp_path):
    """No folder named in the environment, empty caches, no mirrors, and small files."""
    for name in ("TLVIT_CIFAR10_DIR", "TLVIT_CIFAR10_URL", "TLVIT_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("TLVIT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(cifar10, "ARCHIVE", RemoteFile((), 0, ""))
    monkeypatch.setattr(cifar10, "BATCH_IMAGES", COUNT)


@pytest.fixture
def forbid(monkeypatch):
    """A function that makes a folder one that may not be entered, though root may enter any."""

    def forbid(folder):
        for function in (os.stat, os.mkdir):

            def refuse(path, *args, function=function, **options):
                if str(path).startswith(str(folder)):
                    raise PermissionError(errno.EACCES, "Permission denied")
                return function(path, *args, **options)

            monkeypatch.setattr(os, function.__name__, refuse)

    return forbid
