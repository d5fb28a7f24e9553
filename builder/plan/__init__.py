"""What will be done, as plain data. Pure: nothing here reads, writes or asks."""
