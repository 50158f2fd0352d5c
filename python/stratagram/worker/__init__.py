"""The worker of the PyTorch engine: ``python -m stratagram.worker``.

The program ``stratagram`` starts it, and speaks with it in frames (:mod:`.frame`) over its standard
input and output. It holds one net on a device with the images that it reads, and knows no
architecture: it interprets the list of nodes that the program sends, one function an op
(:mod:`.ops`). Everything that is random arrives as indices, offsets and keys.

========================  =====================================================================
request                   what it does
========================  =====================================================================
``devices``               lists what PyTorch sees
``hello``                 checks the protocol, chooses device, precision, compilation, determinism
``data``                  keeps a set: images as bytes, labels, the table of normalized values
``net``                   takes nodes and weights; frozen nodes and rate factors of nodes
``weights``               gives parameters and running statistics
``optimizer``             takes or gives the optimizer's buffers
``train``                 makes steps over given positions; gives their losses
``statistics``            recomputes BatchNorm's over batches, or takes them
``evaluate``              gives outputs of nodes for inputs
``decide``                gives the classes of linear classifiers of nodes' outputs
``gram``                  gives the centered Gram matrix of a node's outputs
========================  =====================================================================

Inputs are a range of a set, positions in it, points on planes through its images, or images.
A request that fails is answered with ``error`` and its ``kind``, and the next is served.
"""
