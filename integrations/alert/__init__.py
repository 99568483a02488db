"""What calls a colleague on duty."""
