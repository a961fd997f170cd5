"""Lo que ven los monitores: métricas, latido, último informe y `GET /health`."""
