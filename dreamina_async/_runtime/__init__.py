"""The shell: all waiting and all bytes."""
