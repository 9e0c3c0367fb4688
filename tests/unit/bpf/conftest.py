"""Compiled programs to read types from; nothing is loaded here."""

from tests.bpf.compiling import objects_folder, probe_object

__all__ = ["objects_folder", "probe_object"]
