"""One file per noun; each view asks a query or calls a service and renders the answer."""
