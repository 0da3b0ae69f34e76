"""Models that do in fewer evaluations what their base needs more for, one file each.

Loaded by name, so that a command line can list them without TensorFlow.
"""

METHODS: dict[str, str] = {
    name: f"pdm_tf.distillation.{name}"
    for name in (
        "guidance_lora",
        "idm",
        "lcm_lora",
        "mmd",
        "progressive",
        "slimflow",
        "spectral",
    )
}
