"""Bytes -> x: pictures from files, as uint8 arrays and as endless training batches.

`images` reads, writes and scales pictures, `sources` is the shelf of data sets and
`pipeline` puts their pictures in order. Only `pipeline` loads TensorFlow.
"""
