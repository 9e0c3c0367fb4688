"""The web configuration file: who may ask and over what, in the format that Prometheus' exporters share."""
