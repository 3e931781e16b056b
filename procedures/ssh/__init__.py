"""The SSH tools that the SSH plug-ins share: stub, transport, certificate authority."""
