"""Speed of ``frontier_kernels`` against its peers: ``make bench``, or ``python -m benchmarks --help``."""
