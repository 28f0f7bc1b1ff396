"""Files that others read while they are written anew: they find the old one or the new one, and it is whole."""

import os
from pathlib import Path


def write_whole(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Write it under another name first. Only one process at a time may; `mode` is the new file's, as the umask allows.

    With 0o600 it is for its owner's eyes from the first byte on, whatever was there.
    """
    draft = path.with_name(f".{path.name}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as opened:
        opened.write(text)
    draft.rename(path)
