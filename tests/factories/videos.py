"""Real videos, made with ffmpeg and kept for as long as the tests run."""

import subprocess
import zlib
from dataclasses import dataclass
from pathlib import Path

import av
import imageio_ffmpeg


@dataclass(frozen=True, slots=True)
class VideoKind:
    """What a test video is like. Its picture has a red, green, blue and white quarter, in reading order.

    A noisy one is slow to transcode.

    `rotation` is what a player has to turn the stored picture by, in degrees against the clock.
    """

    width: int = 320
    height: int = 240
    seconds: float = 2
    rate: int = 25
    sound: bool = True
    picture: bool = True
    rotation: int = 0
    suffix: str = "mp4"
    index_first: bool = False
    noisy: bool = False


class VideoShelf:
    """A folder of test videos; each kind is made once."""

    def __init__(self, folder: Path) -> None:
        """`folder` must be there."""
        self._folder = folder

    def path(self, kind: VideoKind = VideoKind()) -> Path:
        """The video of this kind."""
        name = f"{zlib.crc32(repr(kind).encode()):08x}.{kind.suffix}"
        path = self._folder / name
        if not path.exists():
            plain = self._folder / f"plain-{name}"
            _ffmpeg(*_inputs(kind), *_outputs(kind), str(plain))
            if kind.rotation:
                _ffmpeg("-display_rotation", str(kind.rotation), "-i", str(plain), "-c", "copy", str(path))
            else:
                plain.rename(path)
        return path

    def content(self, kind: VideoKind = VideoKind()) -> bytes:
        """The bytes of the video of this kind."""
        return self.path(kind).read_bytes()


def _inputs(kind: VideoKind) -> list[str]:
    inputs: list[str] = []
    if kind.picture:
        half = "w=iw/2:h=ih/2:t=fill"
        places = {"red": "x=0:y=0", "green": "x=iw/2:y=0", "blue": "x=0:y=ih/2"}
        boxes = ",".join(f"drawbox={place}:{half}:color={color}" for color, place in places.items())
        source = f"color=white:size={kind.width}x{kind.height}:rate={kind.rate}:duration={kind.seconds}"
        noise = ",noise=alls=60:allf=t" if kind.noisy else ""
        inputs += ["-f", "lavfi", "-i", f"{source},{boxes}{noise}"]
    if kind.sound:
        inputs += ["-f", "lavfi", "-i", f"sine=frequency=440:duration={kind.seconds}"]
    return inputs


def _outputs(kind: VideoKind) -> list[str]:
    # Odd sizes need a pixel format without shared colour samples.
    odd = kind.width % 2 or kind.height % 2
    video = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv444p" if odd else "yuv420p"]
    if kind.suffix == "webm":
        return ["-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus"]
    first = ["-movflags", "+faststart"] if kind.index_first else []
    return [*(video if kind.picture else []), *(["-c:a", "aac"] if kind.sound else []), *first]


def _ffmpeg(*arguments: str) -> None:
    program = imageio_ffmpeg.get_ffmpeg_exe()
    subprocess.run([program, "-hide_banner", "-loglevel", "error", "-nostdin", "-y", *arguments], check=True)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a decoder sees of a video: its frames' number and size, and the colours of the first one's quarters."""

    frames: int
    size: tuple[int, int]
    colours: tuple[str, ...]
    sound: bool


QUARTERS = ("red", "green", "blue", "white")
"""The colours of a VideoKind's picture, in reading order, as long as it is not turned."""

_COLOURS = {"red": (254, 0, 0), "green": (0, 128, 0), "blue": (0, 0, 254), "white": (255, 255, 255)}


def seen(path: Path) -> Seen:
    """Decode all of a video, or of a playlist's video."""
    with av.open(str(path)) as opened:
        frames = list(opened.decode(video=0))
        sound = bool(opened.streams.audio)
    first = frames[0].reformat(format="rgb24")
    pixels, line = bytes(first.planes[0]), first.planes[0].line_size
    width, height = first.width, first.height
    middles = [(x, y) for y in (height // 4, height * 3 // 4) for x in (width // 4, width * 3 // 4)]
    colours = tuple(_nearest(pixels[y * line + x * 3 :][:3]) for x, y in middles)
    return Seen(frames=len(frames), size=(width, height), colours=colours, sound=sound)


def _nearest(pixel: bytes) -> str:
    return min(_COLOURS, key=lambda name: sum(abs(a - b) for a, b in zip(pixel, _COLOURS[name], strict=True)))
