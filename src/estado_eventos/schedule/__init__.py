"""Lo que ejecuta el programa a su hora: systemd y cron."""
