// The extension is a library of operators: importing it runs the static registrations, and that is all it
// does. The empty Python module below is what lets the import system find it. The operators that
// are implemented here tell Python what was compiled.

#include <Python.h>
#include <torch/csrc/stable/library.h>
#include <torch/headeronly/version.h>

#include <cstdint>
#include <string>

#include "common/activations.h"
#include "cpu/kernel_table.h"

// setup.py gives the word as it is, because a string would have to survive the shell.
#define FRONTIER_TEXT_OF(word) #word
#define FRONTIER_TEXT(word) FRONTIER_TEXT_OF(word)

namespace {

// Seven lines: compiler, language standard, instruction set, torch of the headers, oldest torch that may load
// it, path of the products, cards that CUDA kernels were compiled for or a word for why there are none.
std::string build_facts() {
#if defined(__clang__)
  const std::string compiler = "clang " __clang_version__;
#elif defined(__GNUC__)
  const std::string compiler = "gcc " __VERSION__;
#elif defined(_MSC_VER)
  const std::string compiler = "msvc " + std::to_string(_MSC_VER);
#else
  const std::string compiler = "unknown compiler";
#endif
#if defined(_MSVC_LANG)
  const long standard = _MSVC_LANG / 100 % 100;
#else
  const long standard = __cplusplus / 100 % 100;
#endif
#if defined(__AVX512F__)
  const std::string isa = "x86-64 with AVX-512";
#elif defined(__AVX2__)
  const std::string isa = "x86-64 with AVX2";
#elif defined(__x86_64__) || defined(_M_X64)
  const std::string isa = "x86-64 with SSE2";
#elif defined(__aarch64__) || defined(_M_ARM64)
  const std::string isa = "arm64 with NEON";
#else
  const std::string isa = "the compiler's default";
#endif
  const uint64_t target = TORCH_TARGET_VERSION;
  return compiler + "\nC++" + std::to_string(standard) + "\n" + isa + "\n" + TORCH_VERSION + "\n" +
         std::to_string(target >> 56) + "." + std::to_string(target >> 48 & 0xff) + "\n" +
         frontier::kernels<float>().name + "\n" + FRONTIER_TEXT(FRONTIER_CUDA);
}

// A line for each activation: its name, and " gated" if it is.
std::string activations() {
  std::string lines;
  for (const frontier::ActivationRow& row : frontier::kActivations)
    lines += (lines.empty() ? "" : "\n") + std::string(row.name) + (row.gated ? " gated" : "");
  return lines;
}

int64_t dot_rows() { return frontier::kDotRows; }

}  // namespace

STABLE_TORCH_LIBRARY(frontier_kernels, m) {
  m.def("build_facts() -> str");
  m.def("activations() -> str");
  m.def("dot_rows() -> int");
  m.def(
      "route(Tensor logits, Tensor? expert_bias, int top_k, str scoring, bool renormalize, int num_groups, "
      "int top_k_groups, float routed_scaling_factor, int capacity) -> (Tensor weights, Tensor experts, "
      "Tensor counts, Tensor demand, Tensor offsets, Tensor slot_to_row, Tensor row_to_slot, Tensor "
      "dropped)");
  m.def(
      "route_backward(Tensor grad_weights, Tensor logits, Tensor experts, str scoring, bool renormalize, "
      "float routed_scaling_factor, bool biased) -> Tensor");
  m.def(
      "permute_slots(Tensor experts, int num_experts, int capacity) -> (Tensor counts, Tensor demand, Tensor "
      "offsets, Tensor slot_to_row, Tensor row_to_slot)");
  m.def("dispatch(Tensor x, Tensor slot_to_row, Tensor row_to_slot) -> Tensor");
  m.def("combine(Tensor ys, Tensor? weights, Tensor slot_to_row, Tensor row_to_slot) -> Tensor");
  m.def(
      "combine_backward(Tensor grad, Tensor ys, Tensor weights, Tensor slot_to_row, Tensor row_to_slot) "
      "-> (Tensor, Tensor)");
  m.def(
      "moe_mlp(Tensor x, Tensor weights, Tensor w_in, Tensor w_out, Tensor? b_in, Tensor? b_out, Tensor "
      "offsets, Tensor slot_to_row, Tensor row_to_slot, str activation) -> (Tensor y, Tensor pre)");
  m.def("packed_bytes(str dtype, int rows, int width) -> int");
  m.def("pack_weights(Tensor w) -> Tensor");
  m.def(
      "moe_mlp_packed(Tensor x, Tensor weights, Tensor w_in, Tensor w_out, Tensor packed_in, Tensor "
      "packed_out, Tensor? b_in, Tensor? b_out, Tensor offsets, Tensor slot_to_row, Tensor row_to_slot, str "
      "activation) -> Tensor");
  // The last arguments have defaults because torch keeps compiled graphs on disk and does not see that a
  // schema changes: graphs of an earlier version call without them.
  m.def(
      "moe_mlp_backward(Tensor grad, Tensor x, Tensor weights, Tensor w_in, Tensor w_out, Tensor? b_in, "
      "Tensor? b_out, Tensor pre, Tensor offsets, Tensor slot_to_row, Tensor row_to_slot, str activation, "
      "bool want_x=True, bool want_w_in=True, bool want_w_out=True, bool want_b_in=True, bool "
      "want_b_out=True) "
      "-> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)");
  m.def(
      "retention(Tensor q, Tensor k, Tensor v, Tensor log_decay, Tensor? initial_state, Tensor? cu_seqlens, "
      "int chunk_size, float scale) -> (Tensor, Tensor)");
  m.def(
      "retention_backward(Tensor? grad, Tensor? grad_state, Tensor q, Tensor k, Tensor v, Tensor log_decay, "
      "Tensor? initial_state, Tensor? cu_seqlens, int chunk_size, float scale, bool decay) "
      "-> (Tensor, Tensor, Tensor, Tensor, Tensor)");
  m.def(
      "retention_step(Tensor q, Tensor k, Tensor v, Tensor(a!) state, Tensor log_decay, float scale) "
      "-> Tensor");
  m.def("gemm_peak(str dtype, int size, int rounds) -> float");
}

STABLE_TORCH_LIBRARY_IMPL(frontier_kernels, CompositeExplicitAutograd, m) {
  m.impl("build_facts", TORCH_BOX(&build_facts));
  m.impl("activations", TORCH_BOX(&activations));
  m.impl("dot_rows", TORCH_BOX(&dot_rows));
}

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_C", nullptr, -1, nullptr, nullptr, nullptr, nullptr, nullptr};

PyMODINIT_FUNC PyInit__C() { return PyModule_Create(&definition); }
