"""The same in bfloat16, where the processor has it."""

from functools import partial

from openvino_float32 import make
from serving import serve

if __name__ == "__main__":
    serve(partial(make, precision="bfloat16"))
