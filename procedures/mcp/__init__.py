"""The door for agents: procedures as tools of the Model Context Protocol (H38). The first agent that comes loads it."""

PATHS = ("/mcp", "/mcp/")
METADATA = ("/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp")
