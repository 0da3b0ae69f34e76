"""Which operations a SavedModel may hold to be run: a SavedModel is a program.

TensorFlow runs whatever is in it, and some operations read and write files, open
connections or call Python. An export of ours needs mathematics and little else, so that
anything beyond is refused before TensorFlow sees it, unless its user trusts it.
"""

from collections.abc import Iterable, Iterator
from typing import Any

# What exports of ours consist of, and more of its kind: functions of tensors alone.
_MATHEMATICS = """
    Abs Acos Acosh Add AddN AddV2 All Any ArgMax ArgMin Asin Asinh Atan Atan2 Atanh
    AvgPool BatchMatMul BatchMatMulV2 BatchMatMulV3 BatchToSpaceND BiasAdd BitwiseAnd
    BitwiseOr BitwiseXor BroadcastArgs BroadcastGradientArgs BroadcastTo Cast Ceil
    ClipByValue Concat ConcatV2 Const Conv2D Conv2DBackpropInput Cos Cosh Cumprod
    Cumsum CumulativeLogsumexp DepthToSpace DepthwiseConv2dNative Diag Digamma Div
    DivNoNan Einsum Elu EncodePng EnsureShape Equal Erf Erfc Erfinv Exp ExpandDims Expm1
    ExtractImagePatches FakeQuantWithMinMaxArgs FakeQuantWithMinMaxVars
    FakeQuantWithMinMaxVarsPerChannel Fill Floor FloorDiv FloorMod FusedBatchNormV3
    Gather GatherNd GatherV2 Greater GreaterEqual Identity IdentityN Inv Invert
    InvertPermutation IsFinite IsInf IsNan L2Loss LeakyRelu LeftShift Less LessEqual
    Lgamma LinSpace Log Log1p LogSoftmax LogicalAnd LogicalNot LogicalOr MatMul
    MatrixBandPart MatrixDiagV3 MaxPool Maximum Max Mean Min Minimum MirrorPad Mod Mul
    MulNoNan Ndtri Neg NextAfter NoOp NotEqual OneHot OnesLike Pack Pad PadV2
    Placeholder PlaceholderWithDefault Polygamma Pow PreventGradient Prod
    QuantizeAndDequantizeV2 QuantizeAndDequantizeV3 QuantizeAndDequantizeV4 Range Rank
    RealDiv Reciprocal Relu Relu6 Reshape ResizeBilinear ResizeNearestNeighbor Reverse
    ReverseV2 RightShift Rint Roll Round Rsqrt ScatterNd SegmentSum Select SelectV2
    Selu Shape ShapeN Sigmoid Sign Sin Sinh Size Slice Snapshot Softmax Softplus
    Softsign SpaceToBatchND SpaceToDepth Split SplitV Sqrt Square SquaredDifference
    Squeeze StopGradient StridedSlice Sub Sum Tan Tanh TensorScatterAdd
    TensorScatterUpdate Tile TopK TopKV2 Transpose TruncateDiv TruncateMod Unpack
    UnsortedSegmentSum Where Xdivy Xlog1py Xlogy ZerosLike StatelessRandomGetAlg
    StatelessRandomGetKeyCounter StatelessRandomGetKeyCounterAlg StatelessRandomNormal
    StatelessRandomNormalV2 StatelessRandomUniform StatelessRandomUniformFullInt
    StatelessRandomUniformFullIntV2 StatelessRandomUniformInt
    StatelessRandomUniformIntV2 StatelessRandomUniformV2
    BiasAddGrad Conv2DBackpropFilter DynamicStitch RsqrtGrad SigmoidGrad SqrtGrad
    StridedSliceGrad TanhGrad
"""
MATHEMATICS = frozenset(_MATHEMATICS.split())
# Functions, loops, lists of tensors and variables, which reach no further than these.
_STRUCTURE = """
    Assert Case If PartitionedCall StatefulPartitionedCall StatelessCase StatelessIf
    StatelessWhile While
    EmptyTensorList TensorListConcatV2 TensorListElementShape TensorListFromTensor
    TensorListGather TensorListGetItem TensorListLength TensorListPopBack
    TensorListPushBack TensorListReserve TensorListResize TensorListScatterV2
    TensorListSetItem TensorListSplit TensorListStack
    AssignVariableOp DisableCopyOnRead ReadVariableOp ResourceGather VarHandleOp
    VarIsInitializedOp VariableShape
"""
STRUCTURE = frozenset(_STRUCTURE.split())
# Names of files and what reads checkpoints, which `restore` of every SavedModel has;
# and what writes them, which `save` has, and which is never run here.
RESTORING = frozenset(["RestoreV2", "StringJoin", "ShardedFilename"])
SAVING = frozenset(["MergeV2Checkpoints", "SaveV2", "StaticRegexFullMatch"])


def find_untrusted(meta_graph: Any) -> list[str]:
    """Names of operations that are no part of a model of ours, in alphabetical order.

    Every operation of every function counts, called or not; those of checkpoints count
    wherever they could run but in the function that restores the weights.

    Args:
      meta_graph: `MetaGraphDef` of a SavedModel.
    """
    graph = meta_graph.graph_def
    functions = {f.signature.name: f.node_def for f in graph.library.function}
    plain = MATHEMATICS | STRUCTURE | functions.keys()
    every = {node.op for nodes in (graph.node, *functions.values()) for node in nodes}
    found = every - plain - RESTORING - SAVING
    saver = meta_graph.saver_def
    outputs = [
        tensor.name
        for signature in meta_graph.signature_def.values()
        for tensor in signature.outputs.values()
    ]
    collected = (
        name
        for collection in meta_graph.collection_def.values()
        for name in collection.node_list.value
    )
    called = _reached(graph.node, functions, [*outputs, *collected])
    restoring = _reached(graph.node, functions, [saver.restore_op_name])
    found |= called - plain
    found |= restoring - plain - RESTORING
    return sorted(found)


def _reached(nodes: Any, functions: dict[str, Any], roots: Iterable[str]) -> set[str]:
    """Operations that run for some outputs of a graph, in functions too."""
    by_name = {node.name: node for node in nodes}
    waiting = [name for name in map(_node_of, roots) if name in by_name]
    seen = set(waiting)
    ops: set[str] = set()
    inside: set[str] = set()
    while waiting:
        node = by_name[waiting.pop()]
        ops.add(node.op)
        inside |= set(_called(node, functions))
        for name in map(_node_of, node.input):
            if name in by_name and name not in seen:
                seen.add(name)
                waiting.append(name)
    return ops | _within(functions, inside)


def _within(functions: dict[str, Any], names: set[str]) -> set[str]:
    """Operations of functions and of all that they call."""
    waiting, seen, ops = list(names), set(names), set()
    while waiting:
        for node in functions[waiting.pop()]:
            ops.add(node.op)
            new = set(_called(node, functions)) - seen
            seen |= new
            waiting.extend(new)
    return ops


def _called(node: Any, functions: dict[str, Any]) -> Iterator[str]:
    """Functions that an operation calls."""
    if node.op in functions:
        yield node.op
    for value in node.attr.values():
        for function in (value.func, *value.list.func):
            if function.name in functions:
                yield function.name


def _node_of(name: str) -> str:
    """The node of a tensor's name, or of an input's: ^a, a, a:0."""
    return name.removeprefix("^").partition(":")[0]
