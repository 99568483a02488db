"""Customer relationship systems: tasks for people who sell and serve."""
