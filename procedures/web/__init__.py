"""The pages: thin views that translate between a browser and the services, and nothing else."""
