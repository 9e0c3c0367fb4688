"""Pure values: what a metric, a probe, a pod and a snapshot are. Imports only `exporter.errors`."""
