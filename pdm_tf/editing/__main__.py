"""Edits a picture: paints what a mask hides, turns strokes into pictures, and more.

Example: python -m pdm_tf.editing sdedit --model=runs/mnist --image=strokes.png
"""

from pdm_tf import flags
from pdm_tf.config import EditingConfig
from pdm_tf.editing import TASKS


def main(argv: list[str]) -> None:
    """Reads the task and its flags, edits, and writes pictures and a sheet."""
    task, (config, own) = flags.parse_method(
        argv, TASKS, EditingConfig, description=__doc__ or "", kind="task"
    )
    from pdm_tf.editing.reading import check

    check(config, own)  # before anything slow is loaded
    from pdm_tf import assemble
    from pdm_tf.editing.tasks import edit, write

    model = assemble.open_model(config.model)
    edited = edit(task, config, own, model.denoiser, model.settings.sampling)
    made = write(config.out, edited)
    print(f"{made} pictures and sheet.png in {config.out}")


if __name__ == "__main__":
    flags.run(main)
