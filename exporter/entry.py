"""Where the commands begin: nothing else is imported before, so that Ctrl-C ends them quietly at any time."""

from importlib import import_module

_INTERRUPTED = 130


def net_exporter() -> int:
    """`net-exporter`. Returns the exit code."""
    return _begin("exporter.__main__")


def inspector() -> int:
    """`inspector`. Returns the exit code."""
    return _begin("exporter.cli.inspector")


def _begin(module: str) -> int:
    try:
        code: int = import_module(module).main()
    except KeyboardInterrupt:
        return _INTERRUPTED
    return code
