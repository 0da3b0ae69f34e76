"""JiT gives what its authors' code gives; other weights are refused with reasons."""

import io
import pickle
import sys
import types
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf
from golden_jit import load
from test_convert_torch_file import TINY

import pdm_tf as pdm
from pdm_tf.assemble import open_model
from pdm_tf.config import InputError
from pdm_tf.convert import jit
from pdm_tf.convert.__main__ import main
from pdm_tf.denoisers import guided
from pdm_tf.samplers.sampler import sample_from
from pdm_tf.storage.arrays import read_arrays, write_arrays

# Parameters of the published networks, without the position code. B/16 has those of
# B/32 but for what patches of 16 pixels leave out of the first and the last layer.
PUBLISHED = {
    "B/16": ((256, 16, 768, 12, 12, 128, 4), 131_123_712),
    "B/32": ((512, 32, 768, 12, 12, 128, 4), 133_190_400),
    "L/16": ((256, 16, 1024, 24, 16, 128, 8), 458_877_664),
    "H/16": ((256, 16, 1280, 32, 16, 256, 10), 952_514_368),
}


@pytest.fixture(scope="module", params="ab")
def golden(request):
    return load(request.param)


def test_estimates_are_the_authors(golden):
    z, t, labels = (tf.constant(golden.given[name]) for name in "zty")
    x, variance = golden.network(z, t, tf.cast(labels, tf.int32))
    wanted = golden.given["x"]
    assert np.abs(x - wanted).max() < 1e-5 * np.abs(wanted).max()
    assert (variance.numpy() == 1.0).all()
    counted = sum(int(np.prod(v.shape)) for v in golden.network.variables)
    assert counted == golden.given["parameters"]


def test_its_authors_sampler_is_heun_on_the_straight_way(golden):
    flow = pdm.LinearFlow.of()
    interval = ((0.1 / 0.9) ** 2, np.inf)  # 0.1 < t
    denoise = guided(
        pdm.NetworkDenoiser(golden.network, flow),
        tf.constant(golden.given["drawn_y"], tf.int32),
        2.9,
        None,
        interval,
    )
    start = tf.constant(golden.given["z"])
    x = sample_from(denoise, pdm.LinearHeun(), flow.grid(6), [1, 2, 3], start)
    assert np.abs(x - golden.given["drawn"]).max() < 1e-5


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] * name.startswith(("L", "H")))
        for name in PUBLISHED
    ],
)
def test_published_networks_have_exactly_their_parameters(name):
    (size, patch, wide, depth, heads, narrow, start), parameters = PUBLISHED[name]
    config = pdm.JiTConfig(
        image_shape=(size, size, 3),
        patch_size=patch,
        hidden_size=wide,
        depth=depth,
        num_heads=heads,
        bottleneck=narrow,
        context_start=start,
    )
    with keras.StatelessScope():  # no memory is taken for them
        network = pdm.JiT(config)
    assert sum(int(np.prod(v.shape)) for v in network.variables) == parameters


def test_a_network_is_told_by_its_weights():
    config = load("a").network.config
    assert config == pdm.JiTConfig(
        image_shape=(16, 16, 3),
        patch_size=4,
        hidden_size=64,
        depth=4,
        num_heads=4,
        num_classes=10,
        bottleneck=16,
        context_tokens=8,
        context_start=2,
    )
    with pytest.raises(InputError, match="context_start: unknown for 4 blocks"):
        jit.config_of(load("a").weights, height=16)
    with pytest.raises(InputError, match="not those of a JiT"):
        jit.config_of({"net.conv.weight": np.zeros([3, 3])})


def test_weights_that_do_not_fit_are_named_all():
    network, weights, _ = load("b")
    wrong = dict(weights)
    del wrong["net.blocks.1.norm1.weight"]
    wrong["net.extra.bias"] = np.zeros(3)
    wrong["net.final_layer.linear.bias"] = np.zeros(7)
    with pytest.raises(InputError) as error:
        jit.assign(network, wrong)
    assert "net.extra.bias is not of this network" in str(error.value)
    assert "net.final_layer.linear.bias is (7,)" in str(error.value)
    assert "block_1/norm_1/gamma is missing" in str(error.value)


# --- the command ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """A run that the command made of a file with the weights of network a."""
    folder = tmp_path_factory.mktemp("converted")
    golden = load("a")
    position = np.zeros([1, 16, 64], np.float32)
    file = folder / "a.safetensors"
    write_arrays(file, {**golden.weights, "net.pos_embed": position})
    names = folder / "names.txt"
    names.write_text("\n".join(f"kind {i}" for i in range(10)))
    words = [f"--checkpoint={file}", f"--out={folder / 'run'}", "--context_start=2"]
    assert main(["", "jit", *words, f"--class_names={names}"]) == 0
    return folder / "run", file, golden


def test_a_converted_run_is_the_network_with_its_settings(converted):
    run, _, golden = converted
    opened = open_model(run)
    assert opened.class_names == tuple(f"kind {i}" for i in range(10))
    assert opened.denoiser.schedule == pdm.LinearFlow.of(1000, 16 / 256)
    assert opened.settings.sampling.sample_sampler == "linear_heun"
    z, t, labels = (tf.constant(golden.given[name]) for name in "zty")
    x, _ = opened.denoiser.network(z, t, tf.cast(labels, tf.int32))
    np.testing.assert_allclose(x, golden.given["x"], atol=1e-5)


class Saved(pickle.Pickler):
    """Writes arrays as torch.save does tensors; PyTorch itself is not here."""

    def __init__(self, file):
        super().__init__(file)
        self.members = []

    def persistent_id(self, value):
        if not isinstance(value, Storage):
            return None
        self.members.append((str(len(self.members)), value.numbers.tobytes()))
        kind = sys.modules["torch"].FloatStorage
        return "storage", kind, self.members[-1][0], "cpu", value.numbers.size

    def reducer_override(self, value):
        if not isinstance(value, np.ndarray):
            return NotImplemented
        strides = tuple(step // 4 for step in value.strides)
        said = Storage(value), 0, value.shape, strides, False, {}
        return sys.modules["torch._utils"]._rebuild_tensor_v2, said


class Storage:
    def __init__(self, numbers):
        self.numbers = numbers


@pytest.fixture
def names_of_torch(monkeypatch):
    """Modules with nothing in them but the names that such a pickle has."""

    def _rebuild_tensor_v2(*_):
        raise AssertionError("called")

    kind = type("FloatStorage", (), {"__module__": "torch"})
    for name, known in [("torch", kind), ("torch._utils", _rebuild_tensor_v2)]:
        module = types.ModuleType(name)
        setattr(module, known.__name__, known)
        known.__module__, known.__qualname__ = name, known.__name__
        monkeypatch.setitem(sys.modules, name, module)


def test_each_average_of_a_checkpoint_can_be_chosen(tmp_path, names_of_torch):
    golden, content = load("b"), io.BytesIO()
    position = np.zeros([1, *golden.network.position.shape], np.float32)
    names, saved = ("model", "model_ema1", "model_ema2"), Saved(content)
    saved.dump(
        {
            name: {n: v + np.float32(k) for n, v in golden.weights.items()}
            | {"net.pos_embed": position}
            for k, name in enumerate(names)
        }
    )
    members = [("it/data.pkl", content.getvalue())]
    members += [(f"it/data/{key}", numbers) for key, numbers in saved.members]
    with zipfile.ZipFile(tmp_path / "it.pth", "w") as file:
        for name, value in members:
            file.writestr(name, value)
    start = golden.network.config.context_start
    common = [f"--checkpoint={tmp_path / 'it.pth'}", f"--context_start={start}"]
    given = {"": 1, "model_ema2": 2}  # the authors' choice where nothing is said
    for name, k in given.items():
        words = [f"--out={tmp_path / (name or 'usual')}"]
        words += [f"--weights={name}"] * bool(name)
        assert main(["", "jit", *common, *words]) == 0
        network = open_model(tmp_path / (name or "usual")).denoiser.network
        bias = golden.weights["net.final_layer.linear.bias"]
        np.testing.assert_array_equal(network.patches_out.bias, bias + np.float32(k))


def test_a_place_that_is_taken_is_left_alone(converted):
    run, file, _ = converted
    before = {path: path.read_bytes() for path in run.iterdir() if path.is_file()}
    with pytest.raises(InputError, match="is not empty"):
        main(["", "jit", f"--checkpoint={file}", f"--out={run}"])
    assert before == {path: path.read_bytes() for path in before}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "checkpoint: is missing|checkpoint"),
        (["--checkpoint=/no/such.pth"], "no such file"),
        ([f"--checkpoint={TINY}"], "weights=model_ema1: the checkpoint does not hold"),
        ([f"--checkpoint={TINY}", "--weights=model"], "not those of a JiT"),
        ([f"--checkpoint={TINY}", "--weights=epoch"], "not those of a JiT"),
        (["--checkpoint=it", "--class_names=/no/such"], "class_names=/no/such"),
    ],
    ids=str,
)
def test_what_cannot_be_converted_writes_nothing(words, said, tmp_path):
    with pytest.raises(InputError, match=said):
        main(["", "jit", *words, f"--out={tmp_path / 'new'}"])
    assert not [path for path in (tmp_path / "new").glob("*") if path.name[0] != "."]


def test_weights_go_out_as_the_authors_have_them(converted, tmp_path):
    run, _, golden = converted
    words = [f"--model={run}", f"--out={tmp_path / 'out'}", "--names=authors"]
    assert main(["", "safetensors", *words]) == 0
    given = read_arrays(tmp_path / "out" / "model.safetensors")
    assert given.keys() == {*golden.weights, "net.pos_embed"}
    for name, value in golden.weights.items():
        np.testing.assert_array_equal(given[name], value, err_msg=name)
    assert given["net.pos_embed"].shape == (1, 16, 64)
