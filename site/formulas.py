"""Formulas, set at build time by sphinxcontrib-katex; here it learns to wait for its server and to be strict.

The package (0.9.11) connects as soon as the socket is a file, which is before the server listens: on a busy
machine the connection is refused. And it prints a formula that KaTeX does not understand in red, where it
ought to end the build.
"""

from __future__ import annotations

import socket
import time
from pathlib import Path
from subprocess import PIPE, Popen

from sphinxcontrib import katex  # type: ignore[import-untyped]

PATIENCE = 60.0
"""Seconds that the server may take to start."""


def start_server(rundir: Path, _: float) -> tuple[Popen[bytes], socket.socket]:
    """Start KaTeX's server and connect to it, in place of ``KaTeXServer.start_server_process``."""
    path = str(rundir / "katex.sock")
    process = Popen(katex.KaTeXServer.build_command(socket=path), stdin=PIPE, stdout=PIPE, cwd=rundir)
    end = time.monotonic() + PATIENCE
    while True:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(path)
        except (FileNotFoundError, ConnectionRefusedError) as error:
            connection.close()
            if process.poll() is not None or time.monotonic() > end:
                process.kill()
                raise katex.KaTeXError(f"node, which renders the formulas, did not start: {error}") from error
            time.sleep(0.005)
        else:
            return process, connection


def setup_formulas() -> None:
    """Put both changes in place."""
    katex.KaTeXServer.start_server_process = staticmethod(start_server)
    katex.KATEX_DEFAULT_OPTIONS["throwOnError"] = True
