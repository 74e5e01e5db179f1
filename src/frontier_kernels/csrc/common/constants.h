// Numbers of the arithmetic that the kernels of every device share.

#pragma once

namespace frontier {

// Added to a sum of routing weights that may be zero, as DeepSeek-V3's released code adds it; fallback.py
// adds the same.
constexpr double kSmallestSum = 1e-20;

// A log decay of retention is clamped here: exp of it is zero even in double, and a decay of exactly zero,
// log -inf, stays free of inf - inf.
constexpr double kForgotten = -1000;

}  // namespace frontier
