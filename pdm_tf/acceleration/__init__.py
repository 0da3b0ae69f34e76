"""Methods that make sampling cheaper without training, one file each.

Loaded by name, so that a command line can list them without TensorFlow.
"""

METHODS: dict[str, str] = {
    "deepcache": "pdm_tf.acceleration.deepcache",
    "encoder_propagation": "pdm_tf.acceleration.encoder_propagation",
    "time_table": "pdm_tf.acceleration.time_table",
}
