"""The same with 8-bit arithmetic, the rest in bfloat16."""

from functools import partial

from openvino_float32 import make
from serving import serve

if __name__ == "__main__":
    serve(partial(make, precision="int8_bfloat16"))
