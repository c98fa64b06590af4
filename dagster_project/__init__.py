"""The wiring: settings, adapters, schedules, sensors, processes and the command line."""
