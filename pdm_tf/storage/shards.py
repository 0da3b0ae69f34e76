"""What TensorFlow's index of weights says of the files that they are in."""

_START = b"\0\0"  # its first entry shares no name with another, and has none
_SHARDS = 0x08  # the number of files, a varint, is the first field of that entry


def shards_in(head: bytes) -> int:
    """How many files weights are in, by the beginning of their index.

    Args:
      head: its first bytes, 16 at least.

    Returns:
      The number; 0 where the bytes are not those of an index.
    """
    if head[:2] != _START or len(head) < 4 or head[3] != _SHARDS:
        return 0
    number, shift = 0, 0
    for byte in head[4:15]:
        number |= (byte & 127) << shift
        if byte < 128:
            return number
        shift += 7
    return 0
