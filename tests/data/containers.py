"""The same real pictures as a folder, a zip, an lmdb, tars, and a tar of tars."""

import io
import tarfile
import zipfile

import numpy as np
from PIL import Image

from pdm_tf.data.sources import open_source

CLASSES = ("cat", "dog", "eel")
KINDS = ("folder", "zip", "lmdb", "tars", "tar of tars")
LABELLED = tuple(kind for kind in KINDS if kind != "lmdb")


def photographs(count):
    """Name -> bytes of a jpg or webp; crops of photographs, in two sizes."""
    pictures = {}
    for k, shape in enumerate([(60, 90, 3), (100, 80, 3)]):
        crops, _ = open_source("photos", shape, split="test").read(np.arange(count))
        for i in range(k, count, 2):
            data = io.BytesIO()
            kind = ("jpeg", "webp")[i // 2 % 2]
            Image.fromarray(crops[i]).save(data, kind, quality=95)
            pictures[f"{CLASSES[i % 3]}/{i:03d}.{kind}"] = data.getvalue()
    return pictures


def write_tar(path, files):
    with tarfile.open(path, "w") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(f"./{name}")
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))


def pack(kind, pictures, root):
    """Writes the pictures below root in one of the formats; returns --source."""
    if kind == "folder":
        for name, data in pictures.items():
            path = root / "folder" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return str(root / "folder")
    if kind == "zip":
        with zipfile.ZipFile(root / "all.zip", "w") as file:
            for name, data in pictures.items():
                file.writestr(name, data)
        return str(root / "all.zip")
    if kind == "lmdb":
        return _pack_lmdb(pictures, root)
    (root / "tars").mkdir()
    for name in CLASSES:
        inside = {
            path.partition("/")[2]: data
            for path, data in pictures.items()
            if path.startswith(f"{name}/")
        }
        write_tar(root / "tars" / f"{name}.tar", inside)
    if kind == "tars":
        return str(root / "tars")
    tars = {path.name: path.read_bytes() for path in (root / "tars").iterdir()}
    write_tar(root / "all.tar", tars)
    return str(root / "all.tar")


def _pack_lmdb(pictures, root):
    import lmdb

    with (
        lmdb.open(str(root / "lmdb"), map_size=2**26) as environment,
        environment.begin(write=True) as writing,
    ):
        for name, data in pictures.items():
            writing.put(name.encode(), data)
    return str(root / "lmdb")
