"""Watch a training, find why it broke, repair it: the engine is an argument, so it is tested without one."""
