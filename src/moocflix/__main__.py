"""`python -m moocflix`: the command line."""

from moocflix.entrypoints.cli import main

main()
