"""A decision as recorded, and as told to a user."""
