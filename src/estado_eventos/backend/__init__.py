"""Hablar con el backend: pedir, entender lo que contesta y firmar con un token."""
