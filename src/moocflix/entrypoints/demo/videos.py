"""Two short films that ffmpeg draws itself: no file to ship, no font needed, and something worth watching."""

import subprocess
from pathlib import Path

import imageio_ffmpeg

from moocflix.entrypoints.demo.catalogue import Clip
from moocflix.platform.errors import OperatorError

PICTURES: dict[Clip, str] = {
    "mandelbrot": "mandelbrot=size=960x540:rate=25:start_scale=2.4:end_scale=0.004:end_pts=340:maxiter=900",
    "life": (
        "life=size=320x180:rate=12:mold=12:random_fill_ratio=0.18:random_seed=7:rule=B3/S23"
        ":life_color=#ffd166:death_color=#b3123f:mold_color=#16213e,scale=1280x720:flags=neighbor,fps=24"
    ),
}
SOUNDS: dict[Clip, str] = {
    "mandelbrot": "aevalsrc=0.12*sin(2*PI*(110+6*t)*t)+0.08*sin(2*PI*165*t):sample_rate=48000",
    "life": "aevalsrc=0.15*sin(2*PI*(220+55*mod(floor(t*3)\\,5))*t)*exp(-3*mod(t\\,1/3)):sample_rate=48000",
}


def make(clip: Clip, *, seconds: int, folder: Path) -> Path:
    """Draw a film of this length as an MP4 file in this folder. Raises OperatorError."""
    path = folder / f"{clip}.mp4"
    length = str(seconds)
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-loglevel", "error", "-y"]
    command += ["-f", "lavfi", "-t", length, "-i", PICTURES[clip], "-f", "lavfi", "-t", length, "-i", SOUNDS[clip]]
    command += ["-c:v", "libx264", "-preset", "veryfast", "-crf", "27", "-pix_fmt", "yuv420p"]
    command += ["-c:a", "aac", "-b:a", "96k", "-movflags", "+faststart", "-shortest", str(path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300)
    if done.returncode:
        raise OperatorError(f"ffmpeg could not draw a film: {done.stderr.strip()[-300:]}")
    return path
