"""Certificates for servers of tests."""

from __future__ import annotations

import subprocess
from pathlib import Path


def self_signed(folder: str | Path, *, name: str = "IP:127.0.0.1") -> tuple[str, str]:
    """
    Make a certificate that nobody has signed but itself, for this name ("DNS:mail.example.org"), in the folder.

    Returns the files of the certificate and of its key, as `SmtpServer` takes them. A client trusts it only where it is
    told to, as by the environment variable SSL_CERT_FILE. Raises FileNotFoundError without the program `openssl`.
    """
    stem = Path(folder) / name.partition(":")[2]
    certificate, key = f"{stem}.pem", f"{stem}.key"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=test"),
            *("-addext", f"subjectAltName={name}"),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key
