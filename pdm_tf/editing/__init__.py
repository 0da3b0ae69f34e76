"""One model for many tasks: recipes of grid, denoiser and sampler, one file each.

None of them trains, and each works with any denoiser, guided or split. Runs as
`python -m pdm_tf.editing`, whose help loads no TensorFlow; hence nothing is imported.
"""
