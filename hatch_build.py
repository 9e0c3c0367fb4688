"""Puts the compiled eBPF programs into the wheel."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]  # its parameter is the builder's configuration
    """Compiles bpf/ where clang is, and takes along whatever is built. Without any the wheel works, minus eBPF."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before the wheel is written."""
        if version == "editable":  # a checkout finds them in bpf/build
            return
        bpf = Path(self.root, "bpf")
        if shutil.which("clang") and subprocess.run(["make", "-C", str(bpf)], check=False).returncode:  # noqa: S603, S607
            self.app.display_warning("bpf/ could not be compiled; is libbpf-dev installed?")
        for path in sorted(bpf.glob("build/*/*.bpf.o")):
            build_data["force_include"][str(path)] = f"exporter/_bpf/{path.parent.name}/{path.name}"
