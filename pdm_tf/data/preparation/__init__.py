"""Folders and archives of pictures -> prepared TFDS data sets.

`archives` and `tars` find the pictures, `plan` says what becomes of them, `writing`
speaks TensorFlow Datasets, `prepare` does the work and goes on where it was stopped.
"""
