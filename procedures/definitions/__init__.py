"""YAML and folders in; definitions, findings and digests out."""
