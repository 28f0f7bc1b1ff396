"""Reading what ffmpeg says of its renditions, and writing the master playlist that a player begins with (RFC 8216)."""

import re
from pathlib import Path

from moocflix.contracts.content import Rendition

_ATTRIBUTE = re.compile(r'([A-Z-]+)=("[^"]*"|[^,]*)')
_STREAM = "#EXT-X-STREAM-INF:"


class PlaylistBroken(Exception):
    """ffmpeg ended well, yet its playlists are not whole."""


def renditions_in(folder: Path) -> list[Rendition]:
    """The renditions of `master.m3u8` in the order made, each with segments and an end. Raises PlaylistBroken."""
    try:
        lines = (folder / "master.m3u8").read_text().splitlines()
        renditions = [_rendition(line, lines[at + 1]) for at, line in enumerate(lines[:-1]) if line.startswith(_STREAM)]
        whole = all(_is_whole(folder / rendition.name / "index.m3u8") for rendition in renditions)
    except (OSError, KeyError, ValueError) as error:
        raise PlaylistBroken(str(error)) from error
    if not renditions or not whole:
        raise PlaylistBroken("a rendition has no segments or no end")
    return renditions


def master_playlist(renditions: list[Rendition], *, base: str) -> str:
    """A master playlist; `base` is the path that the renditions' folders are below, without a slash at its end."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-INDEPENDENT-SEGMENTS"]
    for one in renditions:
        lines += [
            f'{_STREAM}BANDWIDTH={one.bandwidth},RESOLUTION={one.width}x{one.height},CODECS="{one.codecs}"',
            f"{base}/{one.name}/index.m3u8",
        ]
    return "\n".join([*lines, ""])


def _rendition(described: str, address: str) -> Rendition:
    attributes = {name: value.strip('"') for name, value in _ATTRIBUTE.findall(described.removeprefix(_STREAM))}
    width, _, height = attributes["RESOLUTION"].partition("x")
    return Rendition(
        name=address.partition("/")[0],
        width=int(width),
        height=int(height),
        bandwidth=int(attributes["BANDWIDTH"]),
        codecs=attributes["CODECS"],
    )


def _is_whole(path: Path) -> bool:
    lines = path.read_text().splitlines()
    return "#EXT-X-ENDLIST" in lines and any(line.endswith(".m4s") for line in lines)
