"""What a stopped method has found is there for the next command."""

from types import SimpleNamespace

import numpy as np
import pytest
from toy_methods import METHODS as TOYS
from toy_methods import ShiftConfig

from pdm_tf.assemble import deriving
from pdm_tf.assemble.progress import Progress
from pdm_tf.config import InputError


def test_arrays_come_back_until_the_model_is_complete(tmp_path):
    begun = []
    progress = Progress(tmp_path, lambda: begun.append(1))
    assert progress.kept("one") is None and not begun
    for name in ("one", "two"):
        progress.keep(name, {"a": np.arange(3)})
    assert begun == [1]
    again = Progress(tmp_path, lambda: None)
    np.testing.assert_array_equal(again.kept("one")["a"], [0, 1, 2])
    again.clear()
    assert again.kept("two") is None and not list(tmp_path.iterdir())


def test_a_damaged_file_is_made_again(tmp_path):
    progress = Progress(tmp_path, lambda: None)
    progress.keep("one", {"a": np.arange(3)})
    (file,) = tmp_path.rglob("*.safetensors")
    file.write_bytes(file.read_bytes()[:-5])
    assert progress.kept("one") is None


def test_a_derivation_that_is_stopped_goes_on_with_what_it_kept(
    tiny_run, tmp_path, monkeypatch
):
    method = TOYS["shift"]
    found = []

    def derive_slowly(base, config, context):
        found.append(context.kept("part"))
        if found == [None]:
            context.keep("part", {"a": np.arange(3)})
            raise KeyboardInterrupt
        return method.derive(base, config, context)

    slow = SimpleNamespace(**{**vars(method), "derive": derive_slowly})
    monkeypatch.setattr(deriving, "open_method", lambda name: slow)
    out, quiet = tmp_path / "out", lambda line: None
    with pytest.raises(KeyboardInterrupt):
        deriving.derive("shift", tiny_run, out, ShiftConfig(0.1), quiet)
    with pytest.raises(InputError, match="start"):  # other settings would mix both
        deriving.derive("shift", tiny_run, out, ShiftConfig(0.2), quiet)
    assert deriving.derive("shift", tiny_run, out, ShiftConfig(0.1), quiet)
    np.testing.assert_array_equal(found[1]["a"], [0, 1, 2])
    names = {file.name for file in out.iterdir()}
    assert "model.json" in names and "progress" not in names
