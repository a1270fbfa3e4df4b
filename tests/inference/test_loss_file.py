"""Loss files: mapped where they can be, checked before memory is taken, never executed."""

import io
import zipfile

import numpy as np
import pytest

from qmis_kernels import memory
from qmis_stats import InputError
from qmis_stats.inference.loss_file import load_losses, save_losses

MATRIX = np.random.default_rng(1).normal(size=(3, 40))


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int16, np.bool_])
@pytest.mark.parametrize("order", ["C", "F"])
def test_what_numpy_writes(tmp_path, dtype, order):
    matrix = np.asarray(MATRIX * 10, dtype=dtype, order=order)
    for name, save in (("a", np.savez), ("b", np.savez_compressed)):
        file = tmp_path / f"{name}.npz"
        save(file, first=matrix, second=matrix[::-1])
        found = load_losses(file)
        assert list(found) == ["first", "second"]
        assert np.array_equal(found["first"], matrix)
        assert np.array_equal(found["second"], matrix[::-1])
        assert isinstance(found["first"], np.memmap) is (name == "a")


def test_a_map_does_not_take_memory_or_write(tmp_path, monkeypatch):
    save_losses(tmp_path / "x.npz", {"q": MATRIX})
    monkeypatch.setattr(memory, "fits", lambda _: False)
    found = load_losses(tmp_path / "x.npz")["q"]
    with pytest.raises(ValueError, match="read-only"):
        found[0, 0] = 1.0


def test_a_compressed_matrix_that_does_not_fit_is_refused(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "x.npz", q=MATRIX)
    monkeypatch.setattr(memory, "fits", lambda _: False)
    with pytest.raises(InputError, match="must be small enough for memory"):
        load_losses(tmp_path / "x.npz")


def npy(shape, dtype="<f8", data=b""):
    header = repr({"descr": dtype, "fortran_order": False, "shape": shape}).encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (npy((10**9, 10**9)), "bytes"),
        (npy((2, 20), data=bytes(8)), "320 bytes"),
        (npy((2, 20), "|O", bytes(320)), "array of object"),
        (npy((2, 20), "<c16", bytes(640)), "array of complex128"),
        (npy((2,), data=bytes(16)), "of shape"),
        (npy((-2, 20), data=bytes(320)), ""),
        (b"\x93NUMPY\x09\x00", "unreadable header"),
        (b"hello", "unreadable header"),
        (b"", "unreadable header"),
    ],
)
def test_hostile_members(tmp_path, content, words):
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        file = tmp_path / "x.npz"
        with zipfile.ZipFile(file, "w", compression) as archive:
            archive.writestr("q.npy", content)
        with pytest.raises(InputError) as caught:
            load_losses(file)
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_header_is_never_evaluated(tmp_path):
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (__import__('os').getpid(), 1)}"
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("q.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(InputError, match="unreadable header"):
        load_losses(tmp_path / "x.npz")


def test_flipped_bytes_give_an_answer_or_one_line(tmp_path):
    """1000 random changes of a byte: never another exception."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, q=MATRIX, r=MATRIX)
    whole = buffer.getvalue()
    rng = np.random.default_rng(2)
    refused = 0
    for _ in range(1000):
        spoiled = bytearray(whole)
        spoiled[rng.integers(len(whole))] = rng.integers(256)
        (tmp_path / "x.npz").write_bytes(spoiled)
        try:
            load_losses(tmp_path / "x.npz")
        except InputError:
            refused += 1
    assert refused > 250
