"""Programs on the running kernel, in the namespaces of the other tests with real ones."""

from tests.bpf.compiling import as_root, objects_folder, probe_object
from tests.bpf.quiet import quiet
from tests.netns.conftest import collector_of, live_env, make_netns, pair, rows, until

__all__ = [
    "as_root",
    "collector_of",
    "live_env",
    "make_netns",
    "objects_folder",
    "pair",
    "probe_object",
    "quiet",
    "rows",
    "until",
]
