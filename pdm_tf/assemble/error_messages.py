"""What a machine refuses, in words that say what to do."""

import contextlib
from collections.abc import Iterator

import tensorflow as tf

from pdm_tf.errors import SettingError, explain, is_full


@contextlib.contextmanager
def explained(run_dir: str) -> Iterator[None]:
    """Turns too little memory, and files that cannot be used, into a SettingError."""
    try:
        yield
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        if is_full(error):
            raise SettingError("run_dir", run_dir, explain(error) or "") from None
        raise SettingError(
            "run_dir",
            run_dir,
            f"not enough memory ({_short(error)}); lower `batch_size`, `width` or "
            "`sample_images`, or give `microbatch` or `remat`",
        ) from None
    except BrokenPipeError:  # as when nobody reads the output any more
        raise
    except OSError as error:
        raise SettingError(
            "run_dir",
            run_dir,
            f"{error.filename or 'a file'} cannot be used "
            f"({error.strerror or _short(error)}); what was saved before is kept; see "
            "that the disk has room and may be written to, and the same command goes "
            "on",
        ) from None


@contextlib.contextmanager
def writing(run_dir: str, name: str) -> Iterator[None]:
    """The same for TensorFlow's own kinds of errors while it writes something."""
    with explained(run_dir):
        try:
            yield
        except tf.errors.ResourceExhaustedError as error:
            raise OSError(0, _short(error), name) from None
        except (tf.errors.UnknownError, tf.errors.PermissionDeniedError) as error:
            raise OSError(0, _short(error), name) from None


def _short(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
