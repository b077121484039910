"""The routes of the platform."""
