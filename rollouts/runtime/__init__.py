"""Clock, ids, HTTP and logging: what the process lends to the rooms that may do I/O."""
