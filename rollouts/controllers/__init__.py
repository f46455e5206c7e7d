"""Joining the rooms: gather a World, ask the planner, execute the Plan."""
