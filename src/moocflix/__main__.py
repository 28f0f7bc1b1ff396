"""`python -m moocflix`: the command line."""

from moocflix.entrypoints.cli import main

# The server's worker may be started by importing this very module again, under another name.
if __name__ == "__main__":
    main()
