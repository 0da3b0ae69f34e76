"""The same file with 8-bit weights and 8-bit arithmetic (`dynamic_int8`)."""

from functools import partial

from litert_float32 import make
from serving import serve

if __name__ == "__main__":
    serve(partial(make, how="dynamic_int8"))
