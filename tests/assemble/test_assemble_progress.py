"""What a stopped method has found is there for the next command."""

import numpy as np

from pdm_tf.assemble.progress import Progress


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
