"""Una pasada: leer las listas, aplicar lo pendiente y volver a mirar hasta que no quede nada."""
