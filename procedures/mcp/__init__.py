"""The door for agents: procedures as tools of the Model Context Protocol (H38). The first agent that comes loads it."""

PATHS = ("/mcp", "/mcp/")
METADATA = tuple(f"/.well-known/oauth-protected-resource{path}" for path in ("", *PATHS))
SERVER = "/.well-known/oauth-authorization-server"
# At the root, where a program that was started anew and kept its keys alone looks for them (MCP 2025-03-26).
TOKEN, REGISTER, REVOKE = "/token", "/register", "/revoke"
OAUTH = (SERVER, TOKEN, REGISTER, REVOKE)
EVERY = (*PATHS, *METADATA, *OAUTH)
