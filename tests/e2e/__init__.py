"""The bundle against a running exporter, in real Prometheus and VictoriaMetrics."""
