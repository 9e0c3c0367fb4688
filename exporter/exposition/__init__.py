"""From a snapshot to bytes on a socket."""
