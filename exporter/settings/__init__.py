"""From files of three shapes, environment and command line to checked settings, each with its place."""
