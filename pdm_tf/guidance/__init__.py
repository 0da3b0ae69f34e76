"""Methods that guide a model in another way, one file each.

Loaded by name, so that a command line can list them without TensorFlow.
"""

METHODS: dict[str, str] = {
    "apg": "pdm_tf.guidance.apg",
    "autoguidance": "pdm_tf.guidance.autoguidance",
    "classifier": "pdm_tf.guidance.classifier",
    "minority": "pdm_tf.guidance.minority",
    "rescale": "pdm_tf.guidance.rescale",
}
