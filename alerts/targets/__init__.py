"""What a Grafana or a Prometheus can load, by version, and the report of what was left out."""
