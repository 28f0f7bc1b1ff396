"""Where no endpoint for traces is set, none are made and nothing is loaded for them."""

import os
import subprocess
import sys

from moocflix.platform import spans
from moocflix.platform.settings import load
from moocflix.platform.trace import trace_of

PROGRAM = """
import sys
from moocflix.entrypoints import runtime, serve, work
loaded = [name for name in sys.modules if name.partition(".")[0] in {"opentelemetry", "redis"}]
sys.exit(" ".join(loaded) or 0)
"""


def test_without_an_endpoint_no_span_is_made() -> None:
    spans.start(load(environ={"MOOCFLIX_CONFIG": os.devnull}), name="moocflix")
    assert not spans.is_on()
    assert spans.begin("GET", trace_of(None, None), kind="server") is None


def test_what_only_traces_and_caches_need_is_not_loaded() -> None:
    found = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")
