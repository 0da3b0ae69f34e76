"""A denoiser as a .tflite file, made from a SavedModel directory.

Never from a Keras model in memory: from that the converter loses weights.
"""

import tempfile
from pathlib import Path

import tensorflow as tf
from tensorflow.core.framework.node_def_pb2 import NodeDef
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.serving.signatures import denoise_signature
from pdm_tf.storage.files import write_bytes

SIGNATURE = "denoise"


def convert(denoiser: Denoiser, path: str | Path) -> None:
    """Writes a .tflite file whose one signature, denoise, is of one picture.

    Inputs: z float32 [1, H, W, C], t int32 [1], labels int32 [1] (not looked at
    without classes). Outputs: x and variance, float32 [1, H, W, C]. Weights are
    float32.
    """
    with tempfile.TemporaryDirectory() as directory:
        save(denoiser, directory)
        adapt(directory)
        converter = tf.lite.TFLiteConverter.from_saved_model(
            directory, signature_keys=[SIGNATURE]
        )
        write_bytes(path, converter.convert())


def save(denoiser: Denoiser, directory: str | Path) -> None:
    """Writes the SavedModel that is converted: `denoise` of one picture.

    Weights are variables, since a graph of constants takes many times their memory.
    """
    module = tf.Module(name="pdm")
    module.weights = dict(denoiser.variables)
    module.denoise = denoise_signature(denoiser, count=1)
    tf.saved_model.save(module, str(directory), {SIGNATURE: module.denoise})


def adapt(directory: str | Path) -> None:
    """Puts what LiteRT knows in the place of what it does not; the maps stay the same.

    It has no ExtractImagePatches, which for patches that touch is SpaceToDepth, and it
    knows no functions, which must therefore not ask to be kept apart.
    """
    path = Path(directory) / "saved_model.pb"
    model = SavedModel.FromString(path.read_bytes())
    for graph in (meta.graph_def for meta in model.meta_graphs):
        _take_depth(graph.node)
        for function in graph.library.function:
            function.attr.pop("_noinline", None)
            _take_depth(function.node_def)
    write_bytes(path, model.SerializeToString())


def _take_depth(nodes: list[NodeDef]) -> None:
    """Replaces extraction of patches by depth, in the nodes of one graph."""
    renamed = {}
    for node in nodes:
        if node.op == "ExtractImagePatches":
            depth = _depth(node)
            renamed[f"{node.name}:patches:0"] = f"{node.name}:output:0"
            node.CopyFrom(depth)
    for node in nodes:
        node.input[:] = [renamed.get(name, name) for name in node.input]


def _depth(node: NodeDef) -> NodeDef:
    """The same map as an extraction of patches that neither overlap nor leave gaps."""
    _, rows, columns, _ = node.attr["ksizes"].list.i
    assert list(node.attr["strides"].list.i) == [1, rows, columns, 1]
    assert rows == columns and node.attr["rates"].list.i == [1, 1, 1, 1]
    made = NodeDef(name=node.name, input=node.input, device=node.device)
    made.attr["T"].CopyFrom(node.attr["T"])
    if rows == 1:  # a depth of 1 is no map that SpaceToDepth knows
        made.op = "Identity"
        return made
    made.op = "SpaceToDepth"
    made.attr["block_size"].i = rows
    made.attr["data_format"].s = b"NHWC"
    return made
