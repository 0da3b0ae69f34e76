"""Pictures by OpenVINO, which computes the network; ours is the sampling."""

import sys

from pdm_tf.serving.litert_generator import CallbackGenerator
from pdm_tf.serving.openvino_network import REMEDY, open_directory


class OpenvinoGenerator(CallbackGenerator):
    """Generates pictures with a folder of `python -m pdm_tf.export`.

    Attributes: see `ImageGenerator`; and
      precision: what is computed in, see `OpenvinoNetwork`.

    Args:
      setting: the setting that names the folder, for messages.
      path: where it lies.

    Raises:
      InputError: not such a folder, see `openvino_network.open_directory`.
    """

    def __init__(self, setting: str, path: str) -> None:
        network, described = open_directory(setting, path)
        self.precision = network.precision
        if network.lowered != network.precision:
            print(
                f"{path}: this processor has no {network.lowered}; computing in "
                f"{network.precision}, which is slower",
                file=sys.stderr,
            )
        super().__init__(setting, path, network, described, REMEDY)
