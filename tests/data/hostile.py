"""Files and folders that have no end, or claim to be far larger than they are.

`MAKERS`: name -> (what reads it, a function that makes it in a folder). As a command,
`hostile.py READER PATH` reads one within bounds of memory, prints one line and its
peak, and exits with 2 where that is an InputError.
"""

import io
import os
import resource
import socket
import struct
import sys
import tarfile
import time
import zipfile
import zlib

BOUND = 2 * 10**9  # bytes, above what Python and its libraries take to begin with


def chunk(kind, body):
    crc = struct.pack(">I", zlib.crc32(kind + body))
    return struct.pack(">I", len(body)) + kind + body + crc


def png_header(width, height, depth=8, color=2):
    size = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size)


def png(width, height, color=0, extra=b"", depth=8):
    """A whole PNG of zeros, compressed as far as deflate can."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color]
    row = b"\0" * (1 + (width * channels * depth + 7) // 8)
    packer, packed = zlib.compressobj(9), []
    for _ in range(height):
        packed.append(packer.compress(row))
    data = b"".join(packed) + packer.flush()
    palette = chunk(b"PLTE", bytes(768)) if color == 3 else b""
    body = palette + extra + chunk(b"IDAT", data)
    return png_header(width, height, depth, color) + body + chunk(b"IEND", b"")


def flat(level=0):
    return png(4, 4)


def sparse(path, size, head=b""):
    path.write_bytes(head)
    os.truncate(path, size)
    return path


def zeros(count):
    """Zeros, packed by deflate."""
    return zlib.compress(bytes(count), 9)


# --- pictures -------------------------------------------------------------------------

TEXT = b"k\0\0"
LONG = chunk(b"zTXt", TEXT[:2] + zeros(10**8))
PICTURES = {
    "long thin.png": lambda: png(16000, 1, 2),
    "tall thin.png": lambda: png(1, 16000, 2),
    "196 megapixels.png": lambda: png(14000, 14000, depth=1),
    "just under the limit, rgba.png": lambda: png(10450, 10450, 6),
    "just under the limit, palette.png": lambda: png(
        10450, 10450, 3, chunk(b"tRNS", b"\0" * 256)
    ),
    "claims 60000 x 60000.png": lambda: png_header(60000, 60000) + chunk(b"IDAT", b""),
    "claims 2^31.png": lambda: png_header(2**31 - 1, 2**31 - 1),
    "zTXt bomb.png": lambda: png(4, 4, extra=LONG * 20),
    "iTXt bomb.png": lambda: png(
        4, 4, extra=chunk(b"iTXt", b"k\0\1\0\0\0" + zeros(10**8)) * 20
    ),
    "iCCP bomb.png": lambda: png(4, 4, extra=chunk(b"iCCP", b"k\0\0" + zeros(10**9))),
    "IDAT bomb.png": lambda: (
        png_header(4, 4) + chunk(b"IDAT", zeros(10**9)) + chunk(b"IEND", b"")
    ),
    "many chunks.png": lambda: png(4, 4, extra=chunk(b"prVt", b"") * 200_000),
    "eps.png": lambda: (
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"
        b"{ } loop\n%%EOF\n"
    ),
    "tiff.png": lambda: b"II*\0\x08\0\0\0\0\0",
    "psd.png": lambda: b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 4, 3, 3, 8, 3),
    "icns.png": lambda: b"icns\0\0\0\x10ic07\0\0\0\x08",
    "gif of 65535.png": lambda: b"GIF89a\xff\xff\xff\xff\x80\0\0" + bytes(6) + b";",
    "gif of 100,000 frames.png": lambda: gif(100_000),
    "bmp of 2^31.bmp": lambda: bmp(2**31 - 1),
    "webp of 16383.webp": lambda: webp(16383),
    "jpeg of 65500.jpg": lambda: jpeg(65500),
    "cut.png": lambda: png(400, 400, 2)[:60],
}


def gif(frames):
    frame = b",\0\0\0\0\4\0\4\0\0\2\5\x84\x8f\xa9\xcb\x05\0"
    return b"GIF89a\4\0\4\0\x80\0\0" + b"\0\0\0\xff\xff\xff" + frame * frames + b";"


def bmp(side):
    sizes = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<III", 70, 0, 54) + sizes


def webp(side):
    """An extended header with a canvas of side x side, and one damaged frame."""
    size = struct.pack("<I", side - 1)[:3]
    body = b"VP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + size + size
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def jpeg(side):
    from PIL import Image

    data = io.BytesIO()
    Image.new("L", (16, 16)).save(data, "JPEG")
    found = bytearray(data.getvalue())
    at = found.index(b"\xff\xc0") + 5
    found[at : at + 4] = struct.pack(">HH", side, side)
    return bytes(found)


# --- folders --------------------------------------------------------------------------


def fifo(folder):
    os.mkfifo(folder / "pipe.png")
    return folder


def device(folder):
    (folder / "zero.png").symlink_to("/dev/zero")
    (folder / "random.png").symlink_to("/dev/urandom")
    return folder


def a_socket(folder):
    here = os.open(folder, os.O_DIRECTORY)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(f"/proc/self/fd/{here}/s.png")
    os.close(here)
    return folder


def self_link(folder):
    (folder / "a.png").symlink_to("a.png")
    return folder


def loops(folder):
    for name in "ab":
        (folder / name).mkdir()
        for other in "abcdefgh":
            (folder / name / other).symlink_to(folder)
    (folder / "root").symlink_to("/")
    return folder


def deep(folder):
    handle = os.open(folder, os.O_DIRECTORY)
    for _ in range(5000):
        os.mkdir("d", dir_fd=handle)
        below = os.open("d", os.O_DIRECTORY, dir_fd=handle)
        os.close(handle)
        handle = below
    os.close(handle)
    return folder


def sparse_picture(folder):
    sparse(folder / "a.png", 2**40, flat())
    return folder


def sparse_chunk(folder):
    head = png_header(4, 4) + struct.pack(">I", 2**31 - 1) + b"tEXt"
    sparse(folder / "a.png", 2**31 + 100, head)
    return folder


def labels_pipe(folder):
    (folder / "a.png").write_bytes(flat())
    sparse(folder / "dataset.json", 2**40, b"{")
    return folder


def many_large(folder):
    data = png(10450, 10450, depth=1)
    for i in range(3):
        (folder / f"{i}.png").write_bytes(data)
    return folder


# --- archives -------------------------------------------------------------------------


def packed(folder, members, name="a.zip"):
    with zipfile.ZipFile(
        folder / name, "w", zipfile.ZIP_DEFLATED, compresslevel=9
    ) as z:
        for member, data in members:
            z.writestr(member, data)
    return folder / name


def bomb_zip(folder):
    """3 MB of 3 GB in one member."""
    path = folder / "bomb.zip"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as z,
        z.open("a.png", "w", force_zip64=True) as member,
    ):
        for _ in range(100):
            member.write(bytes(3 * 10**7))
    return path


def many_members(folder):
    return packed(folder, ((f"{i}.png", bytes(10**7)) for i in range(40)))


def lying_zip(folder):
    """A member that says to be small, and is not."""
    path = packed(folder, [("a.png", bytes(10**9))])
    data = bytearray(path.read_bytes())
    for signature, at in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        start = data.index(signature)
        data[start + at : start + at + 4] = struct.pack("<I", 100)
    path.write_bytes(data)
    return path


def zip_method(number):
    def make(folder):
        path = packed(folder, [("a/1.png", flat())])
        data = bytearray(path.read_bytes())
        for signature, at in ((b"PK\3\4", 8), (b"PK\1\2", 10)):
            start = data.index(signature)
            data[start + at : start + at + 2] = struct.pack("<H", number)
        path.write_bytes(data)
        return path

    return make


def zip_flag(folder):
    path = packed(folder, [("a/1.png", flat())])
    data = bytearray(path.read_bytes())
    for signature, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(signature) + at] |= 1
    path.write_bytes(data)
    return path


def cut_zip(folder):
    path = packed(folder, [(f"{i}.png", os.urandom(1000)) for i in range(20)])
    path.write_bytes(path.read_bytes()[:9000])
    return path


def slip_zip(folder):
    return packed(folder, [("a.png", flat()), ("../../evil.png", flat())])


def absolute_zip(folder):
    return packed(folder, [("a.png", flat()), ("/etc/evil.png", flat())])


def twice_zip(folder):
    return packed(folder, [("a.png", flat()), ("a.png", flat())])


def labels_zip(folder):
    return packed(folder, [("a.png", flat()), ("dataset.json", b" " * 10**9)])


def nested_zip(folder):
    return packed(folder, [("inner.zip", packed(folder, [], "i.zip").read_bytes())])


def tar_of(folder, name, size, kind=tarfile.REGTYPE):
    """A tar of one member that says to have a size, and a hole where it is."""
    member = tarfile.TarInfo(name)
    member.size, member.type = size, kind
    path = folder / "a.tar"
    return sparse(path, size + 10240, member.tobuf(tarfile.GNU_FORMAT))


def sparse_tar(folder):
    return tar_of(folder, "a.png", 2**40)


def long_name_tar(folder):
    return tar_of(folder, "././@LongLink", 2**36, tarfile.GNUTYPE_LONGNAME)


def pax_tar(folder):
    return tar_of(folder, "x", 2**36, tarfile.XHDTYPE)


def holes_tar(folder):
    return tar_of(folder, "a.png", 100, tarfile.GNUTYPE_SPARSE)


def tars_in_tars(folder):
    data = b""
    for _ in range(60):
        made = io.BytesIO()
        with tarfile.open(fileobj=made, mode="w") as tar:
            member = tarfile.TarInfo("a.tar")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        data = made.getvalue()
    (folder / "a.tar").write_bytes(data)
    return folder / "a.tar"


def cut_tar(folder):
    tar_of(folder, "a.png", 10**6)
    os.truncate(folder / "a.tar", 10**5)
    return folder / "a.tar"


def cut_lmdb(folder, keep=0.5):
    import lmdb

    with (
        lmdb.open(str(folder / "l"), map_size=2**24) as opened,
        opened.begin(write=True) as writing,
    ):
        for i in range(200):
            writing.put(f"{i:03d}".encode(), flat() + bytes(9000))
    path = folder / "l" / "data.mdb"
    os.truncate(path, int(path.stat().st_size * keep))
    return folder / "l"


def zero_lmdb(folder):
    """Pages that are zeros from the third on."""
    whole = cut_lmdb(folder, 1.0) / "data.mdb"
    data = bytearray(whole.read_bytes())
    data[2 * 4096 :] = bytes(len(data) - 2 * 4096)
    whole.write_bytes(data)
    return folder / "l"


def astray_lmdb(folder):
    """Pages of random bytes from the third on."""
    whole = cut_lmdb(folder, 1.0) / "data.mdb"
    data = whole.read_bytes()
    whole.write_bytes(data[: 2 * 4096] + bytes(range(251)) * (len(data) // 251))
    return folder / "l"


def pipe_source(folder):
    os.mkfifo(folder / "a.zip")
    return folder / "a.zip"


def zero_source(folder):
    (folder / "a.zip").symlink_to("/dev/zero")
    return folder / "a.zip"


def mnist_cut(folder):
    path = folder / "train-images-idx3-ubyte"
    path.write_bytes(struct.pack(">IIII", 2051, 60000, 28, 28) + bytes(10**5))
    return path


def index(array, header=None):
    """A kept index of records: npz whose arrays lie about themselves."""

    def make(folder):
        import numpy as np

        shard = folder / "a.tfrecord"
        shard.write_bytes(b"")
        path = folder / "index.npz"
        if header is None:
            np.savez(path, sizes=array(), records=array(), ends=array())
            return path
        text = header.encode().ljust(117) + b"\n"
        data = b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text
        return packed(
            folder, [(f"{n}.npy", data) for n in ("sizes", "ends")], path.name
        )

    return make


def objects():
    import numpy as np

    return np.array([{"a": 1}, None], dtype=object)


PETABYTES = f"{{'descr': '<i8', 'fortran_order': False, 'shape': ({10**15},)}}"

MAKERS = {
    **{
        name: ("picture", lambda folder, n=name, m=make: _written(folder / n, m()))
        for name, make in PICTURES.items()
    },
    "a pipe": ("folder", fifo),
    "devices": ("folder", device),
    "a socket": ("folder", a_socket),
    "a link to itself": ("folder", self_link),
    "loops of links": ("folder", loops),
    "deep folders": ("folder", deep),
    "a sparse picture": ("folder", sparse_picture),
    "a sparse chunk": ("folder", sparse_chunk),
    "sparse labels": ("labels", labels_pipe),
    "many large": ("folder", many_large),
    "3 GB in a zip": ("archive", bomb_zip),
    "many members of zeros": ("archive", many_members),
    "a member that lies": ("archive", lying_zip),
    "Deflate64": ("archive", zip_method(9)),
    "zstd": ("archive", zip_method(93)),
    "method 7777": ("archive", zip_method(7777)),
    "encrypted": ("archive", zip_flag),
    "a cut zip": ("archive", cut_zip),
    "names that leave": ("archive", slip_zip),
    "absolute names": ("archive", absolute_zip),
    "names twice": ("archive", twice_zip),
    "1 GB of labels": ("archive", labels_zip),
    "a zip in a zip": ("archive", nested_zip),
    "a sparse tar": ("archive", sparse_tar),
    "a long name": ("archive", long_name_tar),
    "long attributes": ("archive", pax_tar),
    "a member with holes": ("archive", holes_tar),
    "tars in tars": ("archive", tars_in_tars),
    "a cut tar": ("archive", cut_tar),
    "a cut lmdb": ("archive", cut_lmdb),
    "an lmdb of zeros": ("archive", zero_lmdb),
    "an lmdb that points astray": ("archive", astray_lmdb),
    "a pipe as source": ("archive", pipe_source),
    "a device as source": ("archive", zero_source),
    "MNIST cut": ("archive", mnist_cut),
    "an index of petabytes": ("index", index(None, PETABYTES)),
    "an index of objects": ("index", index(objects)),
}
# What is whole, only large or odd: it is read, within the same bounds.
READ = {
    "long thin.png",
    "tall thin.png",
    "just under the limit, rgba.png",
    "just under the limit, palette.png",
    "many chunks.png",
    "gif of 100,000 frames.png",
    "IDAT bomb.png",
    "many large",
    "an index of petabytes",
    "an index of objects",
}


def _written(path, data):
    path.write_bytes(data)
    return path


# --- reading --------------------------------------------------------------------------


def read(reader, path):
    """Reads it all as a training or a preparation does; the number of pictures."""
    import numpy as np

    from pdm_tf.data.images import read_picture

    if reader == "picture":
        return len(read_picture(path, (256, 256, 3))[:1])
    if reader in ("folder", "labels"):
        from pdm_tf.data.folder import open_folder

        return len(
            open_folder(str(path), (16, 16, 3), int(reader == "labels"), "train")
        )
    if reader == "index":
        from pdm_tf.data.records import index_records

        shards = [path.parent / "a.tfrecord"] * (path.parent / "a.tfrecord").is_file()
        return len(index_records(shards, [0] * len(shards), path))
    from pdm_tf.data.preparation.archives import open_archive

    archive = open_archive(str(path))
    try:
        for i in range(len(archive.names)):
            read_picture(archive.read(i), (16, 16, 3))
        return len(np.arange(len(archive.names)))
    finally:
        archive.close()


def main(reader, path):
    from pathlib import Path

    import numpy as np  # noqa: F401
    from PIL import Image  # noqa: F401

    from pdm_tf.errors import InputError

    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + BOUND,) * 2)
    began, code = time.process_time(), 0
    try:
        said = f"{read(reader, Path(path))} read"
    except InputError as error:
        said, code = f"error: {error}", 2
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(f"{said}\n{peak:.0f} {time.process_time() - began:.1f}")
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
