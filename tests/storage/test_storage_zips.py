"""An archive shows as many members as its end says, or is refused."""

import zipfile

import pytest

from pdm_tf.storage.zips import open_whole_zip


def make_zip(path, members, comment=b""):
    with zipfile.ZipFile(path, "w") as archive:
        for name in range(members):
            archive.writestr(str(name), b"")
        archive.comment = comment
    return path


@pytest.mark.parametrize("members, comment", [(0, b""), (3, b"said"), (65_600, b"a")])
def test_whole_archives_open(tmp_path, members, comment):
    with open_whole_zip(make_zip(tmp_path / "a.zip", members, comment)) as archive:
        assert len(archive.namelist()) == members


def test_a_length_that_swallows_the_next_entry_is_refused(tmp_path):
    path = make_zip(tmp_path / "a.zip", 3)
    content = bytearray(path.read_bytes())
    second = content.index(b"PK\1\2", content.index(b"PK\1\2") + 1)
    third = content.index(b"PK\1\2", second + 1)
    content[second + 32] = len(content) - 22 - third  # length of its comment
    path.write_bytes(content)
    assert zipfile.ZipFile(path).namelist() == ["0", "1"]
    with pytest.raises(zipfile.BadZipFile, match="2 of 3"):
        open_whole_zip(path)
