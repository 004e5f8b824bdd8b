"""Compiling: kernels and helpers as the FLIF codec defines them; the stamp of the disk cache covers this folder."""

from spic.codecs.flif.jit import helper, kernel

__all__ = ["helper", "kernel"]
