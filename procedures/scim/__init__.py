"""The door of directories: SCIM 2.0 (RFC 7643, 7644) at /scim/v2, by which a provider pushes people and groups."""
