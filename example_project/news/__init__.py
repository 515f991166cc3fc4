"""Issues, articles and subscribers of the newspaper."""
