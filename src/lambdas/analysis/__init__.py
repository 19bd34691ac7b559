"""Says of each announced article whether it sounds good or bad: SNS in, the table out."""
