"""How numbers are written for a reader."""


def format_seconds(seconds: float) -> str:
    """Return a duration as people say it: `45 s`, `3 min 20 s`."""
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
