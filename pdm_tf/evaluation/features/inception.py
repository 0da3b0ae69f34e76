"""The Inception network of 2015 that ADM's evaluator uses, from a local file.

The graph, whose weights are constants, is run as it is: its own bilinear resize to
299x299 pixels and its own scaling of bytes. Ports to other frameworks, and other ways
to resize, give other distances.
"""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from pdm_tf.errors import SettingError
from pdm_tf.evaluation.features.extractor import Features
from pdm_tf.storage.files import checksum

FILE = "classify_image_graph_def.pb"
BYTES = 95_673_916
MD5 = "e6bb154e85f5d4331c22abcddb5dcf31"
HOME = (
    "https://openaipublic.blob.core.windows.net/diffusion/jul-2021/ref_batches/" + FILE
)
ARCHIVE = (
    "http://download.tensorflow.org/models/image/imagenet/inception-2015-12-05.tgz"
)
INPUT, POOLED, SPATIAL = "ExpandDims:0", "pool_3:0", "mixed_6/conv:0"
SOFTMAX = "softmax/logits/MatMul"  # only its weights are used, not the bias
SPATIAL_CHANNELS = 7
SIDE = 299  # pixels that its own resize gives


def read_graph(path: str, sha256: str = "") -> tuple[bytes, str]:
    """The file's bytes, checked, and their SHA-256.

    Args:
      path: of the graph.
      sha256: what it must be; empty for the published file, known by size and MD5.

    Raises:
      InputError: no such file, or another one.
    """
    where = f"{FILE} ({BYTES:,} bytes) from {HOME} or out of {ARCHIVE}"
    if not Path(path).is_file():
        raise SettingError(
            "inception_graph",
            path,
            f"no such file; get {where}, or use `features=digits` or "
            "`features=random`, which need no download",
        )
    graph = Path(path).read_bytes()
    found = checksum(graph)
    if sha256 and found != sha256.lower().strip():
        raise SettingError(
            "inception_sha256",
            sha256,
            f"{path} has the SHA-256 {found}; get {where}",
        )
    md5 = hashlib.md5(graph, usedforsecurity=False).hexdigest()
    if not sha256 and (len(graph), md5) != (BYTES, MD5):
        raise SettingError(
            "inception_graph",
            path,
            f"not the published file ({len(graph):,} bytes); get {where}, or, to use "
            f"this one, give `inception_sha256={found}`",
        )
    return graph, found


class Inception:
    """pool_3 (2,048 numbers), 7 channels of mixed_6 (17x17), 1,008 classes.

    Args:
      path: of the graph.
      sha256: of the file, empty for the published one.

    Raises:
      InputError: no such file, another one, or one without the nodes.
    """

    name = "inception"

    def __init__(self, path: str, sha256: str = "") -> None:
        graph, self.sha256 = read_graph(path, sha256)
        # The graph holds operations that today's functions refuse, so it is run in a
        # session, at the version it was written for.
        definition = tf.compat.v1.GraphDef()
        try:
            definition.ParseFromString(graph)
            self._import(definition)
        except Exception as error:  # protobuf and TensorFlow raise errors of many kinds
            raise SettingError(
                "inception_graph",
                path,
                "not the Inception graph of 2015 "
                f"({' '.join(str(error).split())[:120]}); get {FILE} from {HOME}",
            ) from error
        blank = self(np.zeros((1, 8, 8, 3), np.uint8))
        self.sizes = (blank.pooled.shape[1], blank.spatial.shape[1])

    def _import(self, definition: tf.compat.v1.GraphDef) -> None:
        for node in definition.node:  # shapes noted for a batch of one
            node.attr.pop("_output_shapes", None)
        graph = tf.Graph()
        with graph.as_default():
            pictures = tf.compat.v1.placeholder(tf.float32, [None, None, None, 3])
            nodes = [POOLED, SPATIAL, SOFTMAX]  # two tensors and an operation
            pooled, spatial, product = tf.import_graph_def(
                definition, {INPUT: pictures}, nodes, name=""
            )
            self._outputs = [pooled, spatial[..., :SPATIAL_CHANNELS]]
        self._session = tf.compat.v1.Session(graph=graph)
        self._pictures = pictures
        self._weights = self._session.run(product.inputs[1])

    def describe(self) -> dict[str, Any]:
        """What a report says of it."""
        return {"kind": "Inception of 2015-12-05", "sha256": self.sha256}

    def __call__(self, pictures: np.ndarray) -> Features:
        """[N, H, W, C] in 0 … 255 -> features; grey becomes three equal channels."""
        if pictures.shape[3] == 1:
            pictures = np.repeat(pictures, 3, axis=3)
        pooled, spatial = self._session.run(
            self._outputs, {self._pictures: pictures.astype(np.float32)}
        )
        pooled = pooled.reshape(len(pictures), -1)
        logits = pooled @ self._weights
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        return Features(pooled, spatial.reshape(len(pictures), -1), p)
