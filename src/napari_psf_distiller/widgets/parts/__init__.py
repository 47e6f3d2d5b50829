"""Small parts that several widgets are put together from."""
