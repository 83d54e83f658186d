"""The application's addresses, by subject."""
