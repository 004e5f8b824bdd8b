"""`python -m spic.cli`."""

from spic.cli import app

app()
