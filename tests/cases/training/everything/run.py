"""Trains to the end: every kind of line of the solver, with debug_info."""

import caffe

caffe.get_solver("solver.prototxt").solve()
