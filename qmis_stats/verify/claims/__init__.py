"""The claims, one module a statement."""
