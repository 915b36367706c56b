"""Old forms, weights, HDF5 snapshots, and going on from one."""

import caffe

caffe.set_random_seed(3)
caffe.Net("train.prototxt", caffe.TEST).save("w.caffemodel")
solver = caffe.get_solver("solver.prototxt")
solver.net.blobs["data"].data[...] = 0.5
solver.solve()
solver.solve("solver_iter_3.solverstate.h5")
solver.restore("solver_iter_3.solverstate.h5")
solver.step(1)
