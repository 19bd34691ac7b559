"""What the functions of the sentiment analyzer share: settings, time, the table, secrets, telemetry, errors."""
