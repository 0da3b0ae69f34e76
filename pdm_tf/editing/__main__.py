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
    from pdm_tf.editing.manifests import is_of_edits
    from pdm_tf.editing.reading import check
    from pdm_tf.storage.outputs import check_directory

    check(config, own)  # before anything slow is loaded
    check_directory("out", config.out, is_of_edits)
    print(f"{task} of {config.image} with {config.model}; opening it …", flush=True)
    from pdm_tf.assemble.editing import run_task

    made = run_task(task, config, own)
    print(f"{made} pictures and sheet.png in {config.out}")


if __name__ == "__main__":
    flags.run(main)
