// Checks of a routing plan before any pointer is followed: an index out of range would read foreign memory,
// and two rows that claim one slot would be written by two threads.
//
// One pass over the two row maps, 16 T k bytes, each read once in order and once through the other, next to
// the megabytes that the operators then move.

#pragma once

#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/util/Exception.h>

#include <cstdint>

namespace frontier {

// Raises unless the maps are slot_to_row [T, k] and row_to_slot [T k], whatever they hold.
inline void check_map_shapes(const torch::stable::Tensor& slot_to_row,
                             const torch::stable::Tensor& row_to_slot) {
  STD_TORCH_CHECK(slot_to_row.dim() == 2, "slot_to_row: got ", slot_to_row.dim(),
                  " dimensions, wanted [tokens, top_k]");
  STD_TORCH_CHECK(row_to_slot.dim() == 1 && row_to_slot.size(0) == slot_to_row.numel(),
                  "row_to_slot: wanted [", slot_to_row.numel(), "], one element for each slot");
}

// Raises unless slot_to_row [T, k] and row_to_slot [T k] are inverse to each other where they do not hold -1.
inline void check_maps(const torch::stable::Tensor& slot_to_row, const torch::stable::Tensor& row_to_slot) {
  check_map_shapes(slot_to_row, row_to_slot);
  const int64_t slots = slot_to_row.numel();
  const int64_t* row_of = slot_to_row.const_data_ptr<int64_t>();
  const int64_t* slot_of = row_to_slot.const_data_ptr<int64_t>();
  for (int64_t i = 0; i < slots; ++i) {
    STD_TORCH_CHECK(row_of[i] >= -1 && row_of[i] < slots, "slot_to_row: got ", row_of[i], ", wanted -1 to ",
                    slots - 1);
    STD_TORCH_CHECK(slot_of[i] >= -1 && slot_of[i] < slots, "row_to_slot: got ", slot_of[i],
                    ", wanted -1 to ", slots - 1);
  }
  for (int64_t i = 0; i < slots; ++i) {
    STD_TORCH_CHECK(row_of[i] < 0 || slot_of[row_of[i]] == i, "row_to_slot: got ", slot_of[row_of[i]],
                    " in row ", row_of[i], ", wanted slot ", i, ", which slot_to_row sends there");
    STD_TORCH_CHECK(slot_of[i] < 0 || row_of[slot_of[i]] == i, "slot_to_row: got ", row_of[slot_of[i]],
                    " in slot ", slot_of[i], ", wanted row ", i, ", which row_to_slot fills from it");
  }
}

// Raises unless there is one offset more than experts.
inline void check_offset_shape(const torch::stable::Tensor& offsets, int64_t experts) {
  STD_TORCH_CHECK(offsets.dim() == 1 && offsets.size(0) == experts + 1, "offsets: wanted [", experts + 1,
                  "], one more than experts");
}

// Raises unless offsets [E + 1] rise from 0 and every row below the last of them holds a slot.
inline void check_offsets(const torch::stable::Tensor& offsets, const torch::stable::Tensor& row_to_slot,
                          int64_t experts) {
  check_offset_shape(offsets, experts);
  const int64_t* start = offsets.const_data_ptr<int64_t>();
  const int64_t* slot_of = row_to_slot.const_data_ptr<int64_t>();
  const int64_t rows = row_to_slot.size(0);
  STD_TORCH_CHECK(start[0] == 0, "offsets: got ", start[0], " first, wanted 0");
  for (int64_t e = 0; e < experts; ++e)
    STD_TORCH_CHECK(start[e] <= start[e + 1] && start[e + 1] <= rows, "offsets: got ", start[e + 1],
                    " after ", start[e], ", wanted them to rise, to ", rows, " at most");
  for (int64_t r = 0; r < start[experts]; ++r)
    STD_TORCH_CHECK(slot_of[r] >= 0, "row_to_slot: got -1 in row ", r, ", which belongs to an expert");
}

// Raises unless both tensors are on one device: a kernel would follow a pointer to other memory.
inline void check_device(const char* name, const torch::stable::Tensor& tensor, const char* other_name,
                         const torch::stable::Tensor& other) {
  STD_TORCH_CHECK(tensor.is_cpu() == other.is_cpu() && tensor.get_device_index() == other.get_device_index(),
                  name, ": is not on the device of ", other_name);
}

// Raises unless the tensor has this many dimensions; comes before any look at a size.
inline void check_dims(const char* name, const torch::stable::Tensor& tensor, int64_t wanted) {
  STD_TORCH_CHECK(tensor.dim() == wanted, name, ": got ", tensor.dim(), " dimensions, wanted ", wanted);
}

// Raises unless the tensor has exactly these sizes.
template <typename... Sizes>
void check_shape(const char* name, const torch::stable::Tensor& tensor, Sizes... sizes) {
  const int64_t wanted[] = {static_cast<int64_t>(sizes)...};
  const auto dims = static_cast<int64_t>(sizeof...(sizes));
  check_dims(name, tensor, dims);
  for (int64_t i = 0; i < dims; ++i)
    STD_TORCH_CHECK(tensor.size(i) == wanted[i], name, ": got ", tensor.size(i), " in dimension ", i,
                    ", wanted ", wanted[i]);
}

}  // namespace frontier
