"""What `run.py` and `demo.py` share: processes, a small browser, and the check of the demo."""
