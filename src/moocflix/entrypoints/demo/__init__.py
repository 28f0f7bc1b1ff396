"""`moocflix demo`: fills a running platform with a believable catalogue, through its own API."""

from moocflix.entrypoints.demo.command import demo

__all__ = ["demo"]
