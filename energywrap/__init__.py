"""energywrap tells what running a command costs the planet."""

__version__ = "0.1.0"
