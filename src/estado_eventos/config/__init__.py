"""La configuración: qué variables hay, qué vale en ellas y de dónde salen."""
