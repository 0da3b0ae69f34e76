"""A SavedModel's graph: read and looked through before TensorFlow runs any of it."""

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from pdm_tf.errors import InputError
from pdm_tf.serving.operations import find_untrusted
from pdm_tf.storage.reading import has_holes, open_regular, read_regular
from pdm_tf.storage.shards import shards_in

FILE = "saved_model.pb"
_BEGINNING = b"\x08\x01"  # its first field: version 1 of the format
_LARGEST = 2**31 - 1  # bytes that protobuf reads
_SERVED = "serve"  # tag of the one graph of ours
_FAILED = re.compile(r"assertion failed: (.*)")
_SHOWN = 5  # operations of a refusal
_SHARDS = 4096  # files that weights may be in; ours are in one


def read_meta_graph(directory: Path) -> Any:
    """The `MetaGraphDef` that is served, of a SavedModel; nothing in it is run.

    Raises:
      InputError: no file of that kind, or a damaged one.
    """
    check_regular(directory / FILE)
    try:
        model = SavedModel.FromString(read_regular(directory / FILE, _LARGEST))
    except Exception:  # protobuf's, which TensorFlow brings along
        raise InputError("damaged or cut short") from None
    for meta_graph in model.meta_graphs:
        if _SERVED in meta_graph.meta_info_def.tags:
            return meta_graph
    raise InputError("it holds no graph to serve")


def check_regular(path: Path) -> None:
    """Raises InputError for what cannot be such a file: a pipe, a device, a sparse one.

    Before any of it is read: some of these have no end.
    """
    try:
        with open_regular(path) as file:
            about = os.fstat(file.fileno())
            if about.st_size > _LARGEST or has_holes(about):
                raise InputError("damaged: it has holes, or is larger than 2 GiB")
            if file.read(len(_BEGINNING)) != _BEGINNING:
                raise InputError("damaged, or of another kind")
    except OSError as error:
        raise InputError(f"{path.name} cannot be read ({error.strerror})") from None


def check_trusted(meta_graph: Any) -> None:
    """Raises InputError for operations that are no part of a model of ours."""
    found = find_untrusted(meta_graph)
    if found:
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise InputError(
            f"a SavedModel is a program, and this one has operations that no export of "
            f"pdm_tf has: {', '.join(found[:_SHOWN])}{more}; if you trust who made it, "
            "give `trust_model`"
        )


def check_shards(directory: Path) -> None:
    """Raises InputError where the weights claim to be in more files than there are.

    TensorFlow takes the number from an index, whatever it claims.
    """
    index = directory / "variables" / "variables.index"
    if not index.exists():
        return
    count = sum(1 for _ in index.parent.glob("variables.data-?????-of-?????"))
    try:
        with open_regular(index, limit=2**30) as file:
            claimed = shards_in(file.read(128))
    except OSError as error:
        raise InputError(f"its {index.name} {error.strerror}") from None
    if count != claimed or not 0 < count <= _SHARDS:
        raise InputError(
            f"its weights are not complete ({count} files, {claimed} by their index)"
        )


def first_words(error: Exception) -> str:
    """What an error of a graph says, without where in the graph it was."""
    text = str(getattr(error, "message", error))
    failed = _FAILED.search(text)
    if failed:
        return failed[1].replace("] [", " ").strip("[] ")[:160]
    lines = [line for line in text.splitlines() if line.strip()]
    return (lines or [type(error).__name__])[-1].strip()[:160]


class SavedGraph:
    """The graph of a SavedModel in a session of its own.

    `tf.saved_model.load` makes a graph in Python of each of its functions, every one
    with a copy of all that it calls, weights too: 50 times the file in memory, which
    exports of earlier versions never gave back. A session holds the library of
    functions once.

    Attributes:
      names: of its signatures.

    Args:
      directory: where it lies; weights are read now.
      meta_graph: of `read_meta_graph`.
    """

    def __init__(self, directory: Path, meta_graph: Any) -> None:
        self._signatures = dict(meta_graph.signature_def)
        self.names = frozenset(self._signatures)
        graph = tf.Graph()
        config = tf.compat.v1.ConfigProto()
        rewriting = config.graph_options.rewrite_options
        rewriting.function_optimization = rewriting.OFF  # see `serving.starting`
        self._session = tf.compat.v1.Session(graph=graph, config=config)
        logger = tf.get_logger()
        level = logger.level
        logger.setLevel("ERROR")  # it would advise the other loader
        try:
            with graph.as_default():
                tf.compat.v1.saved_model.load(self._session, [_SERVED], str(directory))
        finally:
            logger.setLevel(level)

    def run(self, signature: str, /, **inputs: Any) -> dict[str, np.ndarray]:
        """What a signature gives for its inputs, both by name.

        Raises:
          tf.errors.OpError: the graph refuses them.
        """
        known = self._signatures[signature]
        feed = {known.inputs[name].name: value for name, value in inputs.items()}
        outputs = {name: tensor.name for name, tensor in known.outputs.items()}
        return self._session.run(outputs, feed)

    def __del__(self) -> None:
        session = getattr(self, "_session", None)
        if session is not None:
            session.close()
