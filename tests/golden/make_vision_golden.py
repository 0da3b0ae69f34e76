"""Writes the golden arrays that hold our DINOv2 and CLIP to Hugging Face's.

Run once, in an environment of its own:

    python3.11 -m venv peers
    peers/bin/pip install torch==2.13.0 transformers==5.24.0
    peers/bin/python tests/golden/make_vision_golden.py

It writes vision.npz beside itself: of small networks with weights by a rule, which the
tests follow too, the names and shapes of their weights as saved, their settings, and
their features; and what their processors make of a picture.
"""

import json
import tempfile
import zlib
from pathlib import Path

import numpy as np
import torch
import transformers
from PIL import Image
from safetensors import safe_open
from transformers import (
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    Dinov2Config,
    Dinov2Model,
    Dinov2WithRegistersConfig,
    Dinov2WithRegistersModel,
)
from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

HERE = Path(__file__).parent
SIZES = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "patch_size": 4,
    "image_size": 20,
}
CLIP = {**SIZES, "intermediate_size": 40, "projection_dim": 10}
CASES = {  # network, settings, class, side of what it is given [pixels]
    "dinov2 larger": (Dinov2Model, Dinov2Config(**SIZES), 28),
    "dinov2 smaller": (Dinov2Model, Dinov2Config(**SIZES), 12),
    "dinov2 same": (Dinov2Model, Dinov2Config(**SIZES), 20),
    "dinov2 gated": (Dinov2Model, Dinov2Config(**SIZES, use_swiglu_ffn=True), 12),
    "dinov2 registers": (
        Dinov2WithRegistersModel,
        Dinov2WithRegistersConfig(**SIZES, num_register_tokens=4),
        12,
    ),
    "clip quick": (CLIPVisionModelWithProjection, CLIPVisionConfig(**CLIP), 20),
    "clip gelu": (
        CLIPVisionModelWithProjection,
        CLIPVisionConfig(**CLIP, hidden_act="gelu"),
        20,
    ),
}


def weight(name, shape):
    """The rule: noise by the name's checksum, and gains around 1."""
    made = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    gain = len(shape) == 1 and "norm" in name and name.endswith("weight")
    return (made * 0.3 + gain).astype(np.float32)


def pixels(side):
    """Two normalised pictures, float32 [2, side, side, 3]."""
    made = np.random.default_rng(side).standard_normal([2, side, side, 3])
    return made.astype(np.float32)


def features(kind, config, side, folder):
    """What a network gives, and the names and shapes of its weights as saved."""
    network = kind(config)
    network.save_pretrained(folder)
    with safe_open(folder / "model.safetensors", "np") as file:
        shapes = {n: file.get_slice(n).get_shape() for n in sorted(file.keys())}
    weights = {n: torch.from_numpy(weight(n, s)) for n, s in shapes.items()}
    network = kind.from_pretrained(None, config=config, state_dict=weights).eval()
    given = torch.from_numpy(pixels(side).transpose(0, 3, 1, 2).copy())
    with torch.no_grad():
        made = network(given)
    out = made.pooler_output if "Dinov2" in kind.__name__ else made.image_embeds
    return out.numpy(), shapes


def main() -> None:
    """Writes the file."""
    found = {"versions": np.array(f"{transformers.__version__} {torch.__version__}")}
    for name, (kind, config, side) in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            out, shapes = features(kind, config, side, Path(folder))
            said = json.loads((Path(folder) / "config.json").read_text())
        found[f"{name}/features"] = out
        found[f"{name}/said"] = np.array(
            json.dumps({"config": said, "shapes": shapes, "side": side})
        )
    coarse = np.random.default_rng(0).integers(0, 256, [8, 6, 3]).astype(np.uint8)
    picture = np.asarray(Image.fromarray(coarse).resize((45, 60), Image.BILINEAR))
    processors = {
        "clip": CLIPImageProcessorPil(
            size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}
        ),
        "dinov2": BitImageProcessorPil(
            size={"shortest_edge": 32},
            crop_size={"height": 28, "width": 28},
            image_mean=[0.485, 0.456, 0.406],
            image_std=[0.229, 0.224, 0.225],
        ),
    }
    found["picture"] = picture
    for name, processor in processors.items():
        made = processor(Image.fromarray(picture), return_tensors="np").pixel_values
        found[f"prepared {name}"] = np.asarray(made)[0].transpose(1, 2, 0)
    np.savez_compressed(HERE / "vision.npz", **found)


if __name__ == "__main__":
    main()
