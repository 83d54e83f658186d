"""Interactive examples: read, change and run small programs in the browser."""
