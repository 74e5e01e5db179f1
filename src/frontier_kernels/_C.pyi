"""The compiled extension: importing it registers ``torch.ops.frontier_kernels``, and that is all it does."""
