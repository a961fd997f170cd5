"""Lo que sale del proceso por sus salidas y sus archivos: registro, tablas, JSON."""
