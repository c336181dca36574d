"""A first look: an invented source, a real sync into a real PostgreSQL, and what SQL then has to say."""

from etl.commands.demo.run import run_demo

__all__ = ["run_demo"]
