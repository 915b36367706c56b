"""Watch a training, find why it broke, repair it: the engine is an argument, so all of it is tested without one."""
