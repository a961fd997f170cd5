"""Inicia y finaliza a su hora los eventos de EvalTech Administrador."""

__version__ = "0.1.0"
