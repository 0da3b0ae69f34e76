"""What a run gets once it is trained: its card, and its SavedModel."""

from pathlib import Path

from pdm_tf.assemble.error_messages import writing
from pdm_tf.assemble.exporting import export_own
from pdm_tf.assemble.model_card import NAME, write_card
from pdm_tf.assemble.models import OpenedModel
from pdm_tf.config import Config
from pdm_tf.denoisers.denoiser import Denoiser


def finish_run(
    config: Config, denoiser: Denoiser, class_names: tuple[str, ...]
) -> None:
    """Writes MODEL_CARD.md and, where the run asks for it, export/.

    Args:
      config: settings of the run, which is complete.
      denoiser: with the averaged weights.
      class_names: one for each label.
    """
    run_dir = config.training.run_dir
    with writing(run_dir, NAME):
        made = OpenedModel(run_dir, denoiser, config, class_names=class_names)
        write_card(made, Path(run_dir))
    if config.training.export:
        with writing(run_dir, "export"):
            export_own(run_dir)
