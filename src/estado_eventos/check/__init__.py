"""El diagnóstico: qué va mal y qué mandato o variable lo cura."""
