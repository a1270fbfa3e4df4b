"""Quantizers of other packages: called, not rewritten, and imported when they are first asked."""

from qmis_stats.quantizers.libraries.base import LibraryQuantizer
from qmis_stats.quantizers.libraries.names import LIBRARIES, installed_libraries, library_quantizer

__all__ = ["LIBRARIES", "LibraryQuantizer", "installed_libraries", "library_quantizer"]
