"""Inicia y finaliza a su hora los eventos de EvalTech Administrador."""

__version__ = "0.2.0"
