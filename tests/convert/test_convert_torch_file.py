"""Tensors of torch.save are read; whatever else a pickle names is refused unrun."""

import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from pdm_tf.config import InputError
from pdm_tf.convert.torch_file import StoredTensor, TorchFile

TINY = Path(__file__).with_name("tiny.pth")  # PyTorch 2.13 wrote it
BASE = np.arange(24.0).reshape(4, 6)


def test_tensors_are_those_that_pytorch_saved():
    file = TorchFile("checkpoint", TINY)
    assert file.content["epoch"] == 3
    assert file.content["optimizer"]["param_groups"][0]["betas"] == (0.9, 0.95)
    stored = file.content["model"]
    read = {name: file.read(tensor) for name, tensor in stored.items()}
    np.testing.assert_array_equal(read["net.a"], BASE[1:, ::2])  # a view
    np.testing.assert_array_equal(read["net.b"].astype(float), BASE)  # bfloat16
    np.testing.assert_array_equal(read["net.c"], BASE.T)
    np.testing.assert_array_equal(read["net.d"], [1, 2, 3])
    assert read["net.e"].dtype == np.float16 and (read["net.e"] == 1).all()
    assert read["net.f"].shape == (0, 3)


class Evil:
    """What a pickle may do to those who trust it."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def archive(path, content, members=()):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("it/data.pkl", content)
        for name, numbers in members:
            file.writestr(f"it/data/{name}", numbers)
    return path


def test_hidden_code_is_named_and_not_run(tmp_path):
    mark = tmp_path / "mark"
    content = pickle.dumps({"model": {}, "epoch": Evil(mark)})
    with pytest.raises(InputError, match=r"names pathlib\..*refused; nothing") as error:
        TorchFile("checkpoint", archive(tmp_path / "evil.pth", content))
    assert not mark.exists() and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "name", ["os.system", "builtins.eval", "torch.load", "numpy.x"]
)
def test_no_function_can_be_named(name, tmp_path):
    module, _, function = name.rpartition(".")
    content = f"c{module}\n{function}\n(S'x'\ntR.".encode()
    with pytest.raises(InputError, match=name.replace(".", r"\.")):
        TorchFile("checkpoint", archive(tmp_path / "it.pth", content))


def test_damaged_files_are_refused_in_one_line(tmp_path):
    whole = TINY.read_bytes()
    path = tmp_path / "damaged.pth"
    for cut in range(0, len(whole), 97):
        path.write_bytes(whole[:cut])
        with pytest.raises(InputError) as error:
            TorchFile("checkpoint", path)
        assert "\n" not in str(error.value)
    for content in (b"", b"garbage", b"\x80\x02}", b"(" * 100_000 + b"."):
        with pytest.raises(InputError, match="not a sound file"):
            TorchFile("checkpoint", archive(path, content))
    with pytest.raises(InputError, match="no such file"):
        TorchFile("checkpoint", tmp_path / "none.pth")


@pytest.mark.parametrize(
    "change",
    [
        {"offset": 20},
        {"shape": (5, 6)},
        {"strides": (60, 1)},
        {"member": "tiny/data/99"},
        {"length": 3},
        {"offset": -1},
    ],
    ids=str,
)
def test_a_tensor_beyond_its_numbers_is_refused(change):
    file = TorchFile("checkpoint", TINY)
    sound = file.content["model"]["net.b"]
    wrong = StoredTensor(**{**vars(sound), **change})
    with pytest.raises(InputError, match="not a sound file"):
        file.read(wrong)
