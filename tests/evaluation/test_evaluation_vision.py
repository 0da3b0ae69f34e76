"""DINOv2 and CLIP of Hugging Face's files: what PyTorch's networks give, ours give."""

import json
import shutil
import zlib
from pathlib import Path

import numpy as np
import pytest

from pdm_tf.errors import InputError
from pdm_tf.evaluation.features import open_features, vision_files
from pdm_tf.evaluation.features.vision import IMAGENET, OPENAI, Preparation
from pdm_tf.evaluation.features.vision_transformer import forward, interpolated
from pdm_tf.storage.arrays import write_arrays

GOLDEN = Path(__file__).parents[1] / "golden" / "vision.npz"
CASES = (
    "dinov2 larger",
    "dinov2 smaller",
    "dinov2 same",
    "dinov2 gated",
    "dinov2 registers",
    "clip quick",
    "clip gelu",
)
FAMILIES = {"dinov2": vision_files.DINOV2, "clip": vision_files.CLIP}


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN) as file:
        return {name: file[name] for name in file.files}


def weights_of(shapes):
    """The rule that the golden arrays were made with."""
    made = {}
    for name, shape in shapes.items():
        noise = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
        gain = len(shape) == 1 and "norm" in name and name.endswith("weight")
        made[name] = (noise * 0.3 + gain).astype(np.float32)
    return made


@pytest.fixture(scope="module")
def folders(golden, tmp_path_factory):
    """A folder with the files of each case."""
    made = {}
    for case in CASES:
        said = json.loads(golden[f"{case}/said"].item())
        made[case] = tmp_path_factory.mktemp(case.replace(" ", "_"))
        write_arrays(made[case] / "model.safetensors", weights_of(said["shapes"]))
        (made[case] / "config.json").write_text(json.dumps(said["config"]))
    return made


@pytest.mark.parametrize("case", CASES)
def test_features_are_those_of_hugging_faces_networks(case, golden, folders):
    found = vision_files.read(str(folders[case]), FAMILIES[case.split()[0]])
    side = json.loads(golden[f"{case}/said"].item())["side"]
    x = np.random.default_rng(side).standard_normal([2, side, side, 3])
    positions = interpolated(
        found.weights["positions"].numpy(),
        side // found.shape.patch,
        antialias=bool(found.shape.registers),
    )
    weights = {**found.weights, "positions": positions}
    made = forward(x.astype(np.float32), weights, found.shape).numpy()
    wanted = golden[f"{case}/features"]
    assert np.std(wanted) > 0.1
    np.testing.assert_allclose(made, wanted, atol=2e-5, rtol=2e-5)


def test_pictures_are_prepared_as_their_processors_do_but_for_rounding(golden):
    picture = golden["picture"][None]
    ways = {
        "clip": Preparation(28, 28, *OPENAI),
        "dinov2": Preparation(32, 28, *IMAGENET),
    }
    for name, prepare in ways.items():
        made, wanted = prepare(picture)[0], golden[f"prepared {name}"]
        off = np.abs(made - wanted) * np.float32(prepare.deviation) * 255
        # Theirs round to bytes twice: 0.5 by a filter of no more than 1.25, and 0.5.
        assert off.max() < 1.13 and off.mean() < 0.4 and np.std(wanted) > 0.3
    np.testing.assert_allclose(
        ways["clip"](np.repeat(picture[..., :1], 3, 3)), ways["clip"](picture[..., :1])
    )


def test_a_picture_has_its_features_whatever_is_beside_it(folders):
    extract = open_features(f"clip:{folders['clip quick']}")
    pictures = np.random.default_rng(2).integers(0, 256, (17, 24, 31, 3), np.uint8)
    whole = extract(pictures).pooled
    assert whole.shape == (17, 10) and extract.sizes == (10, 10)
    np.testing.assert_allclose(extract(pictures[16:]).pooled, whole[16:], atol=1e-5)
    assert extract.name == f"clip:{folders['clip quick'].name}"
    assert extract.describe()["heads"] == 3 and extract.describe()["configured"]
    with pytest.raises(InputError, match="not 4 channels"):
        extract(pictures[..., [0, 0, 1, 2]])


def test_dinov2_sees_all_of_a_square_picture_unless_it_is_cropped(folders):
    place = f"dinov2:{folders['dinov2 registers']}"
    sizes = {}
    for resize in ("own", "clean", "cropped"):
        said = open_features(place, resize=resize).describe()["resize"]
        sizes[resize] = said["enlarged"], said["side"]
    assert sizes == {"own": (224, 224), "clean": (224, 224), "cropped": (256, 224)}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"encoder.layer.1.norm1.bias": None}, "1/norm_1/shift is missing"),
        ({"encoder.layer.1.mlp.extra.bias": (24,)}, "extra.bias is not of DINOv2"),
        ({"encoder.layer.0.norm2.weight": (9,)}, r"norm2.weight is \(9,\), not \(24,"),
        ({"embeddings.position_embeddings": (1, 25, 24)}, r"positions|position_emb"),
        ({"embeddings.patch_embeddings.projection.weight": None}, "no patches/kernel"),
    ],
)
def test_what_does_not_fit_is_said(change, reason, golden, folders, tmp_path):
    said = json.loads(golden["dinov2 same/said"].item())
    shapes = {n: s for n, s in {**said["shapes"], **change}.items() if s}
    write_arrays(tmp_path / "model.safetensors", weights_of(shapes))
    shutil.copy(folders["dinov2 same"] / "config.json", tmp_path)
    with pytest.raises(InputError, match=reason) as refused:
        open_features(f"dinov2:{tmp_path}")
    assert "\n" not in str(refused.value)


def test_heads_are_never_guessed_of_a_network_that_is_not_published(folders, tmp_path):
    file = tmp_path / "mine.safetensors"
    shutil.copy(folders["dinov2 same"] / "model.safetensors", file)
    with pytest.raises(InputError, match=r"config.json.*how many heads"):
        open_features(f"dinov2:{file}")
    said = json.loads((folders["dinov2 same"] / "config.json").read_text())
    for wrong, reason in {
        "num_attention_heads": "7 heads do not divide",
        "hidden_size": "config.json has hidden_size 7",
        "num_hidden_layers": "config.json has num_hidden_layers 7",
    }.items():
        (tmp_path / "config.json").write_text(json.dumps({**said, wrong: 7}))
        with pytest.raises(InputError, match=reason):
            open_features(f"dinov2:{file}")
    with pytest.raises(InputError, match="there is no"):
        open_features(f"dinov2:{tmp_path / 'nowhere'}")
    with pytest.raises(InputError, match="not of CLIP"):
        open_features(f"clip:{folders['dinov2 same']}")


def test_the_published_networks_need_no_config(tmp_path):
    """A block of DINOv2's small one: 6 heads of 64 channels."""
    shapes = {
        "embeddings.cls_token": (1, 1, 384),
        "embeddings.mask_token": (1, 384),
        "embeddings.patch_embeddings.projection.bias": (384,),
        "embeddings.patch_embeddings.projection.weight": (384, 3, 14, 14),
        "embeddings.position_embeddings": (1, 1 + 37 * 37, 384),
        "layernorm.bias": (384,),
        "layernorm.weight": (384,),
    }
    layers = {
        **{f"attention.attention.{n}": (384, 384) for n in ("query", "key", "value")},
        "attention.output.dense": (384, 384),
        "mlp.fc1": (1536, 384),
        "mlp.fc2": (384, 1536),
    }
    for layer, shape in layers.items():
        shapes[f"encoder.layer.0.{layer}.weight"] = shape
        shapes[f"encoder.layer.0.{layer}.bias"] = shape[:1]
    for n in (1, 2):
        shapes |= {f"encoder.layer.0.norm{n}.{k}": (384,) for k in ("weight", "bias")}
        shapes[f"encoder.layer.0.layer_scale{n}.lambda1"] = (384,)
    write_arrays(tmp_path / "dinov2-small.safetensors", weights_of(shapes))
    extract = open_features(f"dinov2:{tmp_path / 'dinov2-small.safetensors'}")
    said = extract.describe()
    assert (said["heads"], said["grid"], said["configured"]) == (6, 37, False)
    found = extract(np.random.default_rng(0).integers(0, 256, (2, 16, 16, 1), np.uint8))
    assert found.pooled.shape == (2, 384) and np.isfinite(found.pooled).all()
    assert extract.name == "dinov2:dinov2-small.safetensors"
