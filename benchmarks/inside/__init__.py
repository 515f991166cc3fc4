"""
Programs that run inside the measured site, as `python -m benchmarks.inside.NAME`, with its settings.

What they have measured they print as JSON, in their last line.
"""
