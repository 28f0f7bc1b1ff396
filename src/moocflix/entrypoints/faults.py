"""Which faults of a command are a sentence for the person who ran it, and not a bug."""

import sys

# By name: a command that did not load a module cannot have met its faults, and is not made to load it now.
_SENTENCES = {
    "moocflix.platform.settings": ("SettingsError",),
    "moocflix.platform.data_folder": ("DataFolderError",),
    "moocflix.platform.postgres_place": ("PostgresError",),
    "moocflix.platform.migration_files": ("MigrationError",),
    "moocflix.platform.errors": ("Refusal",),
    "moocflix.entrypoints.services": ("UnknownService",),
    "moocflix.entrypoints.shared": ("CannotStart",),
    "moocflix.entrypoints.doctor": ("Fault",),
}


def sentence(error: Exception) -> str | None:
    """What to tell the person; None for a bug."""
    for module, names in _SENTENCES.items():
        loaded = sys.modules.get(module)
        if loaded is not None and isinstance(error, tuple(getattr(loaded, name) for name in names)):
            return str(error)
    return None
