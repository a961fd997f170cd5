"""Los datos: transiciones, eventos e informes. Nada de aquí lee ni escribe."""
