"""Opens a page in a browser on which a model is tried: drawn with, edited, compared.

Example: pdm-tf web --model=pretrained:mnist --beside=runs/cached
Needs the extra: pip install '.[web]'. Ctrl-C ends it.
"""

import importlib

from pdm_tf import flags
from pdm_tf.config import WebConfig
from pdm_tf.progress import say


def main(argv: list[str]) -> None:
    """Opens the models and serves the page until Ctrl-C."""
    (config,) = flags.parse(argv, WebConfig, description=__doc__ or "")
    importlib.import_module("gradio")  # what is missing is said before the work
    say(f"opening {config.model} …")
    from pdm_tf.web.serve import serve

    serve(config)


if __name__ == "__main__":
    flags.run(main)
