"""The words customers read, and their renderer."""
