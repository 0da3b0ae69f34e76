"""Models of few bits, one published method a file.

Loaded by name, so that a command line can list them without TensorFlow.
"""

METHODS: dict[str, str] = {
    "min_max": "pdm_tf.quantization.min_max",
    "ptq4dm": "pdm_tf.quantization.ptq4dm",
    "q_diffusion": "pdm_tf.quantization.q_diffusion",
    "tfmq_dm": "pdm_tf.quantization.tfmq_dm",
    "temporal_cache": "pdm_tf.quantization.temporal_cache",
    "eda_dm": "pdm_tf.quantization.eda_dm",
    "low_bit_float": "pdm_tf.quantization.low_bit_float",
    "dgq": "pdm_tf.quantization.dgq",
    "svdquant": "pdm_tf.quantization.svdquant",
    "mixdq": "pdm_tf.quantization.mixdq",
    "binarydm": "pdm_tf.quantization.binarydm",
    "efficientdm": "pdm_tf.quantization.efficientdm",
    "quest": "pdm_tf.quantization.quest",
}
