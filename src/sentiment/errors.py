"""What can go wrong, by what should be done about it.

SentimentError
├── SettingsError   the function was deployed with a setting missing or unusable: only a deployment mends it
├── Unavailable     something outside does not answer as it should now: worth another try
└── Rejected        this input will never be right: another try is for nothing
"""


class SentimentError(Exception):
    """The message is for the log: what happened, and what to do about it."""


class SettingsError(SentimentError):
    pass


class Unavailable(SentimentError):
    pass


class Rejected(SentimentError):
    pass
