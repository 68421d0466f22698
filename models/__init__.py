"""Published models as equation templates: one model a file, importable as ``brianlearn.models``."""

from brianlearn.models.force_lif import force_lif

__all__ = ["force_lif"]
