"""Speed of ``frontier_kernels`` against its peers: ``make bench``, or ``python -m benchmarks --help``.

``cases.py`` lists what is measured; ``moe.py`` and ``retention.py`` hold the contestants, ``measure.py`` the
clock and the roofline, ``bench.py`` the gate and the command, ``report.py`` the table.
"""
