"""Reports that stand alone: one HTML page with inline figures, for light and dark screens, without scripts."""
