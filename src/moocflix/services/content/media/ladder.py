"""Which renditions a video gets, and the ffmpeg arguments that make them and its poster."""

from dataclasses import dataclass
from pathlib import Path

from moocflix.services.content.media.findings import Probe

SEGMENT_SECONDS = 6
_KEY_FRAME_SECONDS = 2
_FASTEST = 60
# The shorter side of the picture in pixels: its highest rate of video and its rate of audio, in kbit/s.
_RUNGS = {240: (400, 64), 360: (800, 96), 480: (1400, 128), 720: (2800, 128), 1080: (5000, 128)}
_LEAST_RATES = (300, 64)
_POSTER_LONGEST_SIDE = 1280
_LATEST_POSTER_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Rung:
    """One rendition to be made: its size in pixels, both even, and its rates in kbit/s."""

    name: str
    width: int
    height: int
    video_rate: int
    audio_rate: int


def ladder(width: int, height: int) -> list[Rung]:
    """The rungs up to the source's size, lowest first. A source below the lowest gets one of its own size."""
    short = min(width, height)
    rungs = [_rung(width, height, side, rates) for side, rates in _RUNGS.items() if side <= short]
    return rungs or [Rung(f"{_even(short)}p", _even(width), _even(height), *_LEAST_RATES)]


def _rung(width: int, height: int, side: int, rates: tuple[int, int]) -> Rung:
    short, long = sorted((width, height))
    # The longer side follows the source's shape, to the nearest even number that is not above the source.
    other = min(round(long * side / short / 2) * 2, _even(long))
    size = (side, other) if width <= height else (other, side)
    return Rung(f"{side}p", *size, *rates)


def _even(pixels: int) -> int:
    return max(2, pixels - pixels % 2)


def hls_arguments(source: Path, probe: Probe, rungs: list[Rung], folder: Path, *, threads: int) -> list[str]:
    """The arguments that make all renditions in one pass, each in a folder of its name, and `master.m3u8` beside."""
    return [
        *_input(source, probe),
        *("-filter_complex", _filters(probe, rungs)),
        *_maps(probe, rungs),
        *("-c:v", "libx264", "-preset", "veryfast", "-profile:v", "high", "-pix_fmt", "yuv420p", "-crf", "23"),
        # A key frame every two seconds of time, never elsewhere: segments of all rungs then begin together.
        *("-sc_threshold", "0", "-force_key_frames", f"expr:gte(t,n_forced*{_KEY_FRAME_SECONDS})"),
        *("-c:a", "aac", "-ac", "2", "-ar", "48000", "-threads", str(threads), "-map_metadata", "-1"),
        *("-f", "hls", "-hls_playlist_type", "vod", "-hls_time", str(SEGMENT_SECONDS), "-hls_segment_type", "fmp4"),
        *("-hls_flags", "independent_segments", "-hls_fmp4_init_filename", "init.mp4"),
        *("-hls_segment_filename", str(folder / "%v" / "seg_%05d.m4s")),
        *("-master_pl_name", "master.m3u8", "-var_stream_map", _variants(probe, rungs)),
        str(folder / "%v" / "index.m3u8"),
    ]


def poster_arguments(source: Path, probe: Probe, path: Path, *, at: float) -> list[str]:
    """The arguments that make a JPEG of the frame at that second."""
    side = _POSTER_LONGEST_SIDE
    fit = f"scale='min({side},iw)':'min({side},ih)':force_original_aspect_ratio=decrease"
    filters = f"[0:{probe.video_index}]scale={probe.width}:{probe.height},setsar=1,{fit}[p]"
    once = ("-frames:v", "1", "-update", "1")
    return ["-ss", f"{at:.3f}", *_input(source, probe), "-filter_complex", filters, "-map", "[p]", *once, str(path)]


def poster_second(duration: float) -> float:
    """A moment that is past the opening titles and fades."""
    return min(duration * 0.1, _LATEST_POSTER_SECONDS)


def largest_output(rungs: list[Rung], duration: float) -> int:
    """Bytes that the renditions cannot honestly need; the rates are peaks already."""
    rate = sum(rung.video_rate + rung.audio_rate for rung in rungs)
    return int(rate * 125 * duration * 2) + 32 * 1024 * 1024


def _input(source: Path, probe: Probe) -> list[str]:
    return ["-protocol_whitelist", "file", "-f", probe.demuxer, "-i", str(source)]


def _filters(probe: Probe, rungs: list[Rung]) -> str:
    slower = f"fps={_FASTEST}," if probe.frame_rate > _FASTEST else ""
    split = "".join(f"[s{at}]" for at in range(len(rungs)))
    scales = [f"[s{at}]scale={rung.width}:{rung.height},setsar=1[v{at}]" for at, rung in enumerate(rungs)]
    return ";".join([f"[0:{probe.video_index}]{slower}split={len(rungs)}{split}", *scales])


def _maps(probe: Probe, rungs: list[Rung]) -> list[str]:
    arguments: list[str] = []
    for at, rung in enumerate(rungs):
        arguments += [
            "-map",
            f"[v{at}]",
            f"-maxrate:v:{at}",
            f"{rung.video_rate}k",
            f"-bufsize:v:{at}",
            f"{rung.video_rate * 2}k",
        ]
        if probe.audio_index is not None:
            arguments += ["-map", f"0:{probe.audio_index}", f"-b:a:{at}", f"{rung.audio_rate}k"]
    return arguments


def _variants(probe: Probe, rungs: list[Rung]) -> str:
    audio = [f",a:{at}" if probe.audio_index is not None else "" for at in range(len(rungs))]
    return " ".join(f"v:{at}{audio[at]},name:{rung.name}" for at, rung in enumerate(rungs))
