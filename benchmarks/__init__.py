"""How fast, against whom, and with how much memory: `make bench`, or `python benchmarks/run.py`. See README.md."""
