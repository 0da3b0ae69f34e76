"""What a call costs, in counts that do not depend on the machine's mood.

They are upper bounds: whoever makes one smaller writes the smaller number down.
"""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import config_pb2, meta_graph_pb2
from tensorflow.python.framework.convert_to_constants import (
    convert_variables_to_constants_v2,
)
from tensorflow.python.grappler import tf_optimizer
from tensorflow.python.training import saver

from pdm_tf import flags
from pdm_tf.config import Config, UNetConfig
from pdm_tf.networks import PatchedUNet

# Of a call for two pictures: operations traced; left once TensorFlow has optimised.
BUDGETS = {"mnist": (1382, 1053), "photos": (900, 686), "lsun_church_p4": (2324, 1808)}
FREE = {"Const", "Placeholder", "Identity", "NoOp"}


def traced_call(name):
    """A call of a flagfile's network: as traced, and with its weights as constants."""
    path = f"configs/{name}.flags"
    (config,) = flags.parse(["", f"--flagfile={path}"], Config)
    settings = replace(config.network, precision="float32")
    network, rng = PatchedUNet(settings), np.random.default_rng(0)
    for variable in network.variables:  # the optimiser would leave zeros out
        variable.assign(rng.standard_normal(variable.shape, np.float32))
    shape, classes = config.network.image_shape, config.network.num_classes
    labels = tf.TensorSpec([2], tf.int32) if classes else None
    call = tf.function(network, autograph=False).get_concrete_function(
        tf.TensorSpec([2, *shape]), tf.TensorSpec([1], tf.int32), labels
    )
    return call, convert_variables_to_constants_v2(call)


def optimised(function):
    """Operations by kind after TensorFlow's graph optimiser."""
    meta = saver.export_meta_graph(
        graph_def=function.graph.as_graph_def(), graph=function.graph
    )
    fetched = meta_graph_pb2.CollectionDef()
    fetched.node_list.value.extend(output.name for output in function.outputs)
    meta.collection_def["train_op"].CopyFrom(fetched)
    nodes = tf_optimizer.OptimizeGraph(config_pb2.ConfigProto(), meta).node
    return Counter(node.op for node in nodes if node.op not in FREE)


@pytest.mark.parametrize(
    "name", ["mnist", "photos", pytest.param("lsun_church_p4", marks=pytest.mark.slow)]
)
def test_operations_of_a_call(name):
    call, constant = traced_call(name)
    traced = sum(op.type not in FREE for op in call.graph.get_operations())
    left = optimised(constant)
    print(name, traced, sum(left.values()), left)
    assert traced <= BUDGETS[name][0]
    assert sum(left.values()) <= BUDGETS[name][1]


def test_constants_of_a_graph_do_not_grow_with_the_area():
    def held(side):
        settings = UNetConfig(
            image_shape=(side, side, 1),
            num_classes=0,
            patch_size=1,
            width=8,
            channel_multipliers=(1,),
            blocks_per_level=1,
            attention_resolutions=(),
        )
        call = tf.function(PatchedUNet(settings), autograph=False)
        given = tf.TensorSpec([1, side, side, 1]), tf.TensorSpec([1], tf.int32)
        constants = (
            op.get_attr("value")
            for op in call.get_concrete_function(*given).graph.get_operations()
            if op.type == "Const"
        )
        return sum(len(constant.SerializeToString()) for constant in constants)

    # A graph is copied ten times before it runs.
    assert held(64) < 2 * held(32)
