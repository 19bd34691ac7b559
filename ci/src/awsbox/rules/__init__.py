"""What AWS always does and the emulator does not; `always.RULES` is all of it."""
