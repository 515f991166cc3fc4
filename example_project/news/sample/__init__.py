"""The sample data of the example newspaper: issues to read, and people to write to."""
