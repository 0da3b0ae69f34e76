"""What was written is on the disk, or it is said that it is not."""

import errno
import os
from pathlib import Path

# Some network file systems know no fsync of folders; that is no fault of the disk.
_UNKNOWN = {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF, errno.EACCES}


def flush_to_disk(path: Path) -> None:
    """Waits until the content of a file or folder is on the disk.

    Raises:
      OSError: the disk could not take it, as when it is broken or full.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _UNKNOWN or not path.is_dir():
            raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        os.close(handle)


def flush_tree(directory: Path) -> None:
    """The same of all that is in a folder, and of the folder; errors alike."""
    for entry in sorted(os.scandir(directory), key=lambda entry: entry.name):
        if entry.is_dir(follow_symlinks=False):
            flush_tree(Path(entry.path))
        elif entry.is_file(follow_symlinks=False):
            flush_to_disk(Path(entry.path))
    flush_to_disk(directory)


def make_directory(path: Path) -> None:
    """Makes a folder and those above it that are missing, on the disk too.

    Raises:
      OSError: the disk is full, or refuses.
    """
    missing = []
    above = path.absolute()
    while not above.exists():
        missing.append(above)
        above = above.parent
    for folder in reversed(missing):
        folder.mkdir(exist_ok=True)
        flush_to_disk(folder.parent)
    if not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
