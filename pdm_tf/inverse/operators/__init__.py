"""What was measured of a picture: H, its adjoint, its pseudo-inverse, its noise."""

from pdm_tf.inverse.operators.chain import Chain
from pdm_tf.inverse.operators.operator import Operator
from pdm_tf.inverse.operators.shelf import OPERATORS, open_operator

__all__ = ["OPERATORS", "Chain", "Operator", "open_operator"]
