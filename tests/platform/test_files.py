"""Files that are written whole."""

import os
from pathlib import Path

import pytest

from moocflix.platform.files import write_whole


def test_a_reader_who_has_it_open_goes_on_reading_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    write_whole(path, "the old one")
    with path.open() as reader:
        write_whole(path, "new")
        assert reader.read() == "the old one"
    assert path.read_text() == "new"


@pytest.mark.parametrize("there", ["state.json", ".state.json"])
def test_a_private_file_is_private_whatever_was_there(tmp_path: Path, there: str) -> None:
    """The file itself, or the draft that a killed process has left."""
    (tmp_path / there).write_text("for everybody")
    (tmp_path / there).chmod(0o666)
    write_whole(tmp_path / "state.json", "secret", mode=0o600)
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]
    assert (tmp_path / "state.json").stat().st_mode & 0o777 == 0o600


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    write_whole(path, "the old one")
    (tmp_path / ".state.json").mkdir()
    with pytest.raises(OSError, match=os.strerror(21)):
        write_whole(path, "new")
    assert path.read_text() == "the old one"
