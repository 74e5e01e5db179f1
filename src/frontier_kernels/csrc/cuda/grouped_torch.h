// The expert network's products by torch's own grouped product; grouped_torch.cu says when and how.

#pragma once

#include "grouped_products.h"

namespace frontier::cuda {

// Whether the products of this call go through torch.
bool torchs_products(const Network& n, const torch::stable::Tensor& x);

// ys [rows, D] in float, and pre; false if torch refused, and then neither is to be used.
bool torchs_forward(const Network& n, const torch::stable::Tensor& x, const Experts& given, const Maps& maps,
                    torch::stable::Tensor& pre, torch::stable::Tensor& ys);

// What is wanted of dxs [rows, D], in float, and the weights' gradients; dpre, and partial [rows, 1]; false
// as above.
bool torchs_backward(const Network& n, const torch::stable::Tensor& grad, const torch::stable::Tensor& x,
                     const torch::stable::Tensor& weights, const Experts& given, const Maps& maps,
                     const torch::stable::Tensor& pre, const Wanted& wanted, torch::stable::Tensor& dxs,
                     torch::stable::Tensor& dpre, torch::stable::Tensor& partial, ExpertGradients& to);

}  // namespace frontier::cuda
