// CUDA on the CPU: enough of its words to compile our kernel files with a plain C++ compiler and run them.
//
// The blocks of a grid run one after another. In a block every CUDA thread is a fiber with a stack of its
// own; it runs until it reaches a barrier or a warp's collective, where it waits for the others. So a kernel
// computes what a device computes, tensor-core products and matrix loads by the fragment layouts of the PTX
// manual, and what a device leaves undefined is an error here: barriers that not all threads reach or reach
// in different places, collectives whose lanes disagree, vectors at addresses that are not aligned to them,
// writes past the end of shared memory. Dynamic shared memory holds NaN when a block begins; asynchronous
// copies arrive as late as they may; and a warp runs ahead as far as it can, the first of a block or the last
// as FRONTIER_EMULATED_ORDER has it (forward or reverse), so a missing wait or barrier changes the result.
//
// It does not know time, memory models or races between blocks, and static shared memory keeps what the last
// block left in it. FRONTIER_EMULATED_ARCH picks the device (75, 80, 86, 89, 90).

#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <source_location>
#include <sstream>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

#define __global__
#define __device__
#define __host__
#define __shared__ static
#define __constant__ static
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(bytes) alignas(bytes)

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
struct alignas(8) int2 {
  int x, y;
};
struct alignas(16) int4 {
  int x, y, z, w;
};
struct alignas(8) uint2 {
  unsigned x, y;
};
struct uint3 {
  unsigned x, y, z;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(16) double2 {
  double x, y;
};
struct alignas(16) longlong2 {
  long long x, y;
};
inline int2 make_int2(int x, int y) { return {x, y}; }
inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline double2 make_double2(double x, double y) { return {x, y}; }

using cudaStream_t = void*;

inline uint3 threadIdx, blockIdx;
inline dim3 blockDim, gridDim;
constexpr int warpSize = 32;

namespace frontier::emulator {

[[noreturn]] inline void fail(const std::string& what) { throw std::runtime_error("emulated CUDA: " + what); }

// Where a thread waits: the instruction and the line that it stands in.
struct Point {
  const char* name = "";
  std::source_location where;

  bool operator==(const Point& other) const {
    return name == other.name && where.line() == other.where.line() &&
           where.file_name() == other.where.file_name();
  }

  std::string text() const {
    const std::string file = where.file_name();
    return std::string(name) + " at " + file.substr(file.rfind('/') + 1) + ":" + std::to_string(where.line());
  }
};

// ---- fibers: switching a stack is saving six registers
// -----------------------------------------------------

#if defined(__x86_64__)
__attribute__((naked, noinline)) static void switch_stacks(void** /* save */, void* /* load */) {
  asm("pushq %rbp\n pushq %rbx\n pushq %r12\n pushq %r13\n pushq %r14\n pushq %r15\n"
      "movq %rsp, (%rdi)\n movq %rsi, %rsp\n"
      "popq %r15\n popq %r14\n popq %r13\n popq %r12\n popq %rbx\n popq %rbp\n ret\n");
}
#endif

constexpr size_t kStack = 256 * 1024;
constexpr size_t kGuard = 4096;

struct Copy {
  void* to;
  const void* from;  // null: zeros
  int bytes;
};

struct Fiber {
#if defined(__x86_64__)
  void* stack_pointer = nullptr;
#else
  ucontext_t context;
#endif
  uint3 index{};
  int warp = 0, lane = 0;
  bool ready = false, finished = false;
  Point waiting;
  std::vector<Copy> open;                 // asynchronous copies not yet in a group
  std::vector<std::vector<Copy>> groups;  // groups that no wait has covered yet, oldest first
};

// A meeting of the lanes of a mask: the last to come computes for all.
struct Meeting {
  unsigned mask = 0, arrived = 0;
  Point point;
  void (*compute)(void* const* operands, unsigned lanes) = nullptr;
  void* operands[32] = {};
};

struct Warp {
  std::vector<Meeting> meetings;
  unsigned alive = 0;
};

class Machine {
 public:
  static Machine& get() {
    static Machine machine;
    return machine;
  }

  template <typename F>
  void run(dim3 grid, dim3 block, size_t shared_bytes, const F& kernel) {
    std::lock_guard<std::mutex> lock(mutex_);
    const size_t threads = size_t{block.x} * block.y * block.z;
    if (threads == 0 || threads > 1024 || block.z > 64)
      fail("a block of " + std::to_string(threads) + " threads, wanted 1 to 1024");
    if (grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535)
      fail("a grid of " + std::to_string(grid.x) + " x " + std::to_string(grid.y) + " x " +
           std::to_string(grid.z) + " blocks, wanted at most 2147483647 x 65535 x 65535");
    if (shared_bytes > static_cast<size_t>(shared_limit()))
      fail(std::to_string(shared_bytes) + " bytes of shared memory, wanted at most " +
           std::to_string(shared_limit()));
    const char* order = std::getenv("FRONTIER_EMULATED_ORDER");
    reverse_ = order && std::string(order) == "reverse";
    prepare(threads, shared_bytes);
    entry_ = [](const void* f) { (*static_cast<const F*>(f))(); };
    kernel_ = &kernel;
    blockDim = block;
    gridDim = grid;
    for (unsigned z = 0; z < grid.z; ++z)
      for (unsigned y = 0; y < grid.y; ++y)
        for (unsigned x = 0; x < grid.x; ++x) {
          blockIdx = {x, y, z};
          run_block();
        }
  }

  static int capability() {
    const char* arch = std::getenv("FRONTIER_EMULATED_ARCH");
    return arch ? std::atoi(arch) : 80;
  }

  // Bytes that a block may opt in to, from the table of compute capabilities in the programming guide.
  static int shared_limit() {
    switch (capability()) {
      case 75:
        return 64 * 1024;
      case 80:
        return 163 * 1024;
      case 86:
      case 89:
        return 99 * 1024;
      default:
        return 227 * 1024;
    }
  }

  void* shared() { return shared_ + kCanary; }

  // Bytes at `address` that an instruction touches: whole, aligned, and inside if in dynamic shared memory.
  void check_shared(const void* address, size_t bytes, const char* what) {
    const auto a = reinterpret_cast<uintptr_t>(address);
    const auto begin = reinterpret_cast<uintptr_t>(shared_), end = begin + shared_bytes_ + 2 * kCanary;
    if (a % bytes) fail(std::string(what) + ": an address not aligned to " + std::to_string(bytes));
    if (a >= begin && a < end && (a < begin + kCanary || a + bytes > end - kCanary))
      fail(std::string(what) + ": an address outside the block's shared memory");
  }

  Fiber& current() { return *current_; }

  // Ends the kernel with this error from code that must not throw; outside a kernel it returns.
  void abandon(const std::string& what) {
    if (!current_) return;
    error_ = std::make_exception_ptr(std::runtime_error("emulated CUDA: " + what));
    current_->ready = false;
    yield();
  }

  // Waits until every live thread of the block is here.
  int barrier(int vote, const std::source_location& where) {
    const Point point{"__syncthreads", where};
    if (barrier_arrived_ == 0) {
      barrier_point_ = point;
      barrier_votes_ = 0;
    }
    if (barrier_point_ != point)
      fail("divergent barriers: " + barrier_point_.text() + " and " + point.text());
    ++barrier_arrived_;
    barrier_votes_ += vote;
    if (barrier_arrived_ < alive_) {
      current_->ready = false;
      current_->waiting = point;
      in_barrier_.push_back(current_);
      yield();
    } else {
      release_barrier();
    }
    return released_votes_;
  }

  // Waits until every live lane of the mask is here with the same collective; the last computes for all.
  void meet(unsigned mask, void* operand, void (*compute)(void* const*, unsigned), const char* name,
            const std::source_location& where) {
    const unsigned me = 1u << current_->lane;
    const Point point{name, where};
    if (!(mask & me)) fail(point.text() + ": the mask lacks the lane that calls it");
    Warp& warp = warps_[current_->warp];
    Meeting* meeting = nullptr;
    for (Meeting& m : warp.meetings) {
      if (!(m.mask & mask)) continue;
      if (m.mask != mask || m.compute != compute || m.point != point || (m.arrived & me))
        fail("divergent warp: " + m.point.text() + " and " + point.text());
      meeting = &m;
    }
    if (!meeting) {
      warp.meetings.push_back({mask, 0, point, compute, {}});
      meeting = &warp.meetings.back();
    }
    meeting->arrived |= me;
    meeting->operands[current_->lane] = operand;
    if (!complete(warp, *meeting)) {
      current_->ready = false;
      current_->waiting = point;
      yield();
    }
  }

 private:
  static constexpr size_t kCanary = 4096;

  void prepare(size_t threads, size_t shared_bytes) {
    if (stacks_.size() < threads) {
      const size_t missing = threads - stacks_.size();
      void* memory = mmap(nullptr, missing * (kStack + kGuard), PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (memory == MAP_FAILED) fail("no memory for the threads' stacks");
      for (size_t i = 0; i < missing; ++i) {
        char* stack = static_cast<char*>(memory) + i * (kStack + kGuard);
        mprotect(stack, kGuard, PROT_NONE);
        stacks_.push_back(stack + kGuard);
      }
    }
    fibers_.resize(threads);
    warps_.resize((threads + 31) / 32);
    shared_bytes_ = (shared_bytes + 15) / 16 * 16;
    shared_memory_.resize(shared_bytes_ + 2 * kCanary + 128);
    shared_ = reinterpret_cast<unsigned char*>((reinterpret_cast<uintptr_t>(shared_memory_.data()) + 127) /
                                               128 * 128);
  }

  void run_block() {
    // All bits set is NaN in every float type and -1 in every integer.
    std::memset(shared_, 0xff, shared_bytes_ + 2 * kCanary);
    alive_ = static_cast<int>(fibers_.size());
    barrier_arrived_ = 0;
    in_barrier_.clear();
    error_ = nullptr;
    for (Warp& warp : warps_) warp = {};
    for (size_t i = 0; i < fibers_.size(); ++i) {
      Fiber& fiber = fibers_[i];
      fiber = Fiber();
      const unsigned n = static_cast<unsigned>(i);
      fiber.index = {n % blockDim.x, n / blockDim.x % blockDim.y, n / (blockDim.x * blockDim.y)};
      fiber.warp = static_cast<int>(i / 32);
      fiber.lane = static_cast<int>(i % 32);
      fiber.ready = true;
      warps_[fiber.warp].alive |= 1u << fiber.lane;
      begin(fiber, stacks_[i]);
    }
    // A warp goes on until all its lanes wait for other warps: so a barrier that is missing is missed.
    while (alive_ > 0) {
      bool ran = false;
      for (size_t i = 0; i < warps_.size(); ++i)
        while (run_warp(reverse_ ? warps_.size() - 1 - i : i)) ran = true;
      if (!ran && !complete_without_the_finished()) fail(describe_deadlock());
    }
    for (size_t i = 0; i < kCanary; ++i)
      if (shared_[i] != 0xff || shared_[shared_bytes_ + kCanary + i] != 0xff)
        fail("a block wrote outside its shared memory");
  }

  // Runs the lanes of a warp that are ready; false if there are none.
  bool run_warp(size_t warp) {
    bool ran = false;
    const size_t first = warp * 32, count = std::min(fibers_.size() - first, size_t{32});
    for (size_t i = 0; i < count; ++i) {
      Fiber& fiber = fibers_[first + (reverse_ ? count - 1 - i : i)];
      if (!fiber.ready) continue;
      resume(fiber);
      current_ = nullptr;
      ran = true;
      if (error_) std::rethrow_exception(error_);
    }
    return ran;
  }

  bool complete(Warp& warp, Meeting& meeting) {
    const unsigned wanted = meeting.mask & warp.alive;
    if ((meeting.arrived & wanted) != wanted) return false;
    if (meeting.compute) meeting.compute(meeting.operands, meeting.arrived);
    const size_t first = static_cast<size_t>(&warp - warps_.data()) * 32;
    for (unsigned lanes = meeting.arrived; lanes; lanes &= lanes - 1)
      fibers_[first + static_cast<size_t>(std::countr_zero(lanes))].ready = true;
    warp.meetings.erase(warp.meetings.begin() + (&meeting - warp.meetings.data()));
    return true;
  }

  void release_barrier() {
    released_votes_ = barrier_votes_;
    barrier_arrived_ = 0;
    for (Fiber* fiber : in_barrier_) fiber->ready = true;
    in_barrier_.clear();
  }

  // Threads that have returned are no longer waited for.
  bool complete_without_the_finished() {
    if (barrier_arrived_ > 0 && barrier_arrived_ == alive_) {
      release_barrier();
      return true;
    }
    for (Warp& warp : warps_)
      for (Meeting& meeting : warp.meetings)
        if (complete(warp, meeting)) return true;
    return false;
  }

  std::string describe_deadlock() {
    std::ostringstream text;
    text << "deadlock in block (" << blockIdx.x << ", " << blockIdx.y << ", " << blockIdx.z << "):";
    std::string last;
    for (size_t i = 0; i < fibers_.size(); ++i) {
      const std::string now = fibers_[i].finished ? "returned" : "waits in " + fibers_[i].waiting.text();
      if (now != last) text << " thread " << i << " " << now << ";";
      last = now;
    }
    return text.str();
  }

  static void enter() {
    Machine& machine = get();
    try {
      machine.entry_(machine.kernel_);
    } catch (...) {
      machine.error_ = std::current_exception();
    }
    Fiber& fiber = *machine.current_;
    fiber.finished = true;
    fiber.ready = false;
    --machine.alive_;
    machine.warps_[fiber.warp].alive &= ~(1u << fiber.lane);
    machine.yield();
  }

#if defined(__x86_64__)
  void begin(Fiber& fiber, char* stack) {
    // switch_stacks pops six registers and returns into enter, whose frame has to look like one after a call.
    auto** top = reinterpret_cast<void**>(stack + kStack - 64);
    *--top = nullptr;
    *--top = reinterpret_cast<void*>(&Machine::enter);
    for (int i = 0; i < 6; ++i) *--top = nullptr;
    fiber.stack_pointer = top;
  }

  void resume(Fiber& fiber) {
    current_ = &fiber;
    threadIdx = fiber.index;
    switch_stacks(&scheduler_, fiber.stack_pointer);
  }

  void yield() { switch_stacks(&current_->stack_pointer, scheduler_); }

  void* scheduler_ = nullptr;
#else
  void begin(Fiber& fiber, char* stack) {
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = stack;
    fiber.context.uc_stack.ss_size = kStack;
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, &Machine::enter, 0);
  }

  void resume(Fiber& fiber) {
    current_ = &fiber;
    threadIdx = fiber.index;
    swapcontext(&scheduler_, &fiber.context);
  }

  void yield() { swapcontext(&current_->context, &scheduler_); }

  ucontext_t scheduler_;
#endif

  std::mutex mutex_;
  std::vector<char*> stacks_;
  std::vector<Fiber> fibers_;
  std::vector<Warp> warps_;
  std::vector<unsigned char> shared_memory_;
  unsigned char* shared_ = nullptr;
  size_t shared_bytes_ = 0;
  Fiber* current_ = nullptr;
  std::vector<Fiber*> in_barrier_;
  int alive_ = 0, barrier_arrived_ = 0, barrier_votes_ = 0, released_votes_ = 0;
  Point barrier_point_;
  bool reverse_ = false;
  std::exception_ptr error_;
  void (*entry_)(const void*) = nullptr;
  const void* kernel_ = nullptr;
};

using Where = std::source_location;

// An exchange between lanes: each gives a value and names the lane that it takes from, -1 for its own.
template <typename T>
struct Exchange {
  T in, out;
  int source;

  static void compute(void* const* operands, unsigned lanes) {
    for (unsigned rest = lanes; rest; rest &= rest - 1) {
      auto* mine = static_cast<Exchange*>(operands[std::countr_zero(rest)]);
      if (mine->source >= 0 && !(lanes >> mine->source & 1))
        fail("a lane takes a value from lane " + std::to_string(mine->source) + ", which gives none");
      mine->out = mine->source < 0 ? mine->in : static_cast<Exchange*>(operands[mine->source])->in;
    }
  }
};

template <typename T>
T exchange(unsigned mask, T value, int source, const char* name, const Where& where) {
  Exchange<T> operand{value, value, source};
  Machine::get().meet(mask, &operand, &Exchange<T>::compute, name, where);
  return operand.out;
}

inline int lane() { return Machine::get().current().lane; }

// All lanes' numbers to every lane.
struct Gather {
  uint64_t in;
  uint64_t all[32];

  static void compute(void* const* operands, unsigned lanes) {
    for (unsigned i = lanes; i; i &= i - 1)
      for (unsigned j = lanes; j; j &= j - 1)
        static_cast<Gather*>(operands[std::countr_zero(i)])->all[std::countr_zero(j)] =
            static_cast<Gather*>(operands[std::countr_zero(j)])->in;
  }
};

template <typename F>
unsigned gather(unsigned mask, uint64_t value, const char* name, const Where& where, const F& chosen) {
  Gather operand{value, {}};
  Machine::get().meet(mask, &operand, &Gather::compute, name, where);
  unsigned lanes = 0;
  for (unsigned rest = mask; rest; rest &= rest - 1)
    if (chosen(operand.all[std::countr_zero(rest)])) lanes |= rest & -rest;
  return lanes;
}

template <typename T>
float number(uint32_t word, int half) {
  T value;
  value.x = static_cast<uint16_t>(word >> (16 * half));
  return static_cast<float>(value);
}

struct Product {
  float* d;
  const uint32_t *a, *b;

  // A [16, 16], B [16, 8] of T; see mma_m16n8k16 in device.h.
  template <typename T>
  static void compute(void* const* operands, unsigned lanes) {
    if (lanes != 0xffffffffu) fail("mma: not all lanes of the warp take part");
    float a[16][16], b[16][8];
    for (int l = 0; l < 32; ++l) {
      const auto* p = static_cast<const Product*>(operands[l]);
      const int g = l / 4, t = l % 4;
      for (int half = 0; half < 2; ++half) {
        for (int i = 0; i < 4; ++i) a[g + i % 2 * 8][2 * t + half + i / 2 * 8] = number<T>(p->a[i], half);
        for (int i = 0; i < 2; ++i) b[2 * t + half + i * 8][g] = number<T>(p->b[i], half);
      }
    }
    multiply<16>(operands, a, b);
  }

  static void compute_tf32(void* const* operands, unsigned lanes) {
    if (lanes != 0xffffffffu) fail("mma: not all lanes of the warp take part");
    float a[16][8], b[8][8];
    for (int l = 0; l < 32; ++l) {
      const auto* p = static_cast<const Product*>(operands[l]);
      const int g = l / 4, t = l % 4;
      for (int i = 0; i < 4; ++i) a[g + i % 2 * 8][t + i / 2 * 4] = truncate(p->a[i]);
      for (int i = 0; i < 2; ++i) b[t + i * 4][g] = truncate(p->b[i]);
    }
    multiply<8>(operands, a, b);
  }

 private:
  // The tensor core does not see the 13 lowest bits of a float's mantissa.
  static float truncate(uint32_t word) { return std::bit_cast<float>(word & 0xffffe000u); }

  template <int K>
  static void multiply(void* const* operands, const float (&a)[16][K], const float (&b)[K][8]) {
    for (int l = 0; l < 32; ++l) {
      float* d = static_cast<const Product*>(operands[l])->d;
      for (int i = 0; i < 4; ++i) {
        const int row = l / 4 + i / 2 * 8, column = 2 * (l % 4) + i % 2;
        float sum = d[i];
        for (int k = 0; k < K; ++k) sum += a[row][k] * b[k][column];
        d[i] = sum;
      }
    }
  }
};

struct MatrixLoad {
  uint32_t* words;
  const void* row;

  template <bool TRANSPOSED>
  static void compute(void* const* operands, unsigned lanes) {
    if (lanes != 0xffffffffu) fail("ldmatrix: not all lanes of the warp take part");
    uint16_t m[4][8][8];
    for (int l = 0; l < 32; ++l) {
      const void* row = static_cast<const MatrixLoad*>(operands[l])->row;
      Machine::get().check_shared(row, 16, "ldmatrix");
      std::memcpy(m[l / 8][l % 8], row, 16);
    }
    for (int l = 0; l < 32; ++l)
      for (int i = 0; i < 4; ++i) {
        const int g = l / 4, t = 2 * (l % 4);
        const uint16_t low = TRANSPOSED ? m[i][t][g] : m[i][g][t];
        const uint16_t high = TRANSPOSED ? m[i][t + 1][g] : m[i][g][t + 1];
        static_cast<const MatrixLoad*>(operands[l])->words[i] = low | uint32_t{high} << 16;
      }
  }
};

}  // namespace frontier::emulator

// ---- alignment: -fsanitize=alignment calls this before it follows a pointer that the type does not allow
// ------

extern "C" {
struct SanitizedType {
  const char* file;
  unsigned line, column;
  const void* type;
  unsigned char log_alignment, kind;
};

inline __attribute__((used, visibility("hidden"))) void __ubsan_handle_type_mismatch_v1(SanitizedType* data,
                                                                                        uintptr_t) {
  const std::string file = data->file;
  frontier::emulator::Machine::get().abandon(file.substr(file.rfind('/') + 1) + ":" +
                                             std::to_string(data->line) + ": an address not aligned to " +
                                             std::to_string(1 << data->log_alignment));
}
}

// ---- CUDA's own functions
// ----------------------------------------------------------------------------------

inline void __syncthreads(const std::source_location where = std::source_location::current()) {
  frontier::emulator::Machine::get().barrier(0, where);
}

inline int __syncthreads_count(int vote, const std::source_location where = std::source_location::current()) {
  return frontier::emulator::Machine::get().barrier(vote != 0, where);
}

inline int __syncthreads_or(int vote, const std::source_location where = std::source_location::current()) {
  return __syncthreads_count(vote, where) > 0;
}

inline int __syncthreads_and(int vote, const std::source_location where = std::source_location::current()) {
  return __syncthreads_count(!vote, where) == 0;
}

inline void __syncwarp(unsigned mask = 0xffffffffu,
                       const std::source_location where = std::source_location::current()) {
  frontier::emulator::Machine::get().meet(mask, nullptr, nullptr, "__syncwarp", where);
}

template <typename T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32,
              const std::source_location where = std::source_location::current()) {
  const int lane = frontier::emulator::lane();
  return frontier::emulator::exchange(mask, value, lane / width * width + (source & (width - 1)),
                                      "__shfl_sync", where);
}

template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32,
                  const std::source_location where = std::source_location::current()) {
  const int lane = frontier::emulator::lane(), source = lane ^ bits;
  return frontier::emulator::exchange(mask, value, source / width > lane / width ? -1 : source,
                                      "__shfl_xor_sync", where);
}

template <typename T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32,
                 const std::source_location where = std::source_location::current()) {
  const int lane = frontier::emulator::lane(), source = lane - static_cast<int>(delta);
  return frontier::emulator::exchange(mask, value, source < lane / width * width ? -1 : source,
                                      "__shfl_up_sync", where);
}

template <typename T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32,
                   const std::source_location where = std::source_location::current()) {
  const int lane = frontier::emulator::lane(), source = lane + static_cast<int>(delta);
  return frontier::emulator::exchange(mask, value, source >= (lane / width + 1) * width ? -1 : source,
                                      "__shfl_down_sync", where);
}

inline unsigned __ballot_sync(unsigned mask, int vote,
                              const std::source_location where = std::source_location::current()) {
  return frontier::emulator::gather(mask, vote != 0, "__ballot_sync", where,
                                    [](uint64_t other) { return other != 0; });
}

inline int __any_sync(unsigned mask, int vote,
                      const std::source_location where = std::source_location::current()) {
  return __ballot_sync(mask, vote, where) != 0;
}

inline int __all_sync(unsigned mask, int vote,
                      const std::source_location where = std::source_location::current()) {
  return __ballot_sync(mask, !vote, where) == 0;
}

template <typename T>
unsigned __match_any_sync(unsigned mask, T value,
                          const std::source_location where = std::source_location::current()) {
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  return frontier::emulator::gather(mask, bits, "__match_any_sync", where,
                                    [bits](uint64_t other) { return other == bits; });
}

// Fibers change only where they wait, so an atomic operation is a plain one.
template <typename T, typename U>
T atomicAdd(T* address, U value) {
  const T old = *address;
  *address = static_cast<T>(old + static_cast<T>(value));
  return old;
}

template <typename T, typename U>
T atomicMax(T* address, U value) {
  const T old = *address;
  *address = std::max(old, static_cast<T>(value));
  return old;
}

template <typename T, typename U>
T atomicMin(T* address, U value) {
  const T old = *address;
  *address = std::min(old, static_cast<T>(value));
  return old;
}

template <typename T, typename U>
T atomicOr(T* address, U value) {
  const T old = *address;
  *address = old | static_cast<T>(value);
  return old;
}

template <typename T, typename U, typename V>
T atomicCAS(T* address, U compare, V value) {
  const T old = *address;
  if (old == static_cast<T>(compare)) *address = static_cast<T>(value);
  return old;
}

template <typename T>
T __ldg(const T* address) {
  return *address;
}

inline void __threadfence() {}
inline void __threadfence_block() {}
inline int __popc(unsigned x) { return std::popcount(x); }
inline int __popcll(unsigned long long x) { return std::popcount(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __clz(int x) { return std::countl_zero(static_cast<unsigned>(x)); }
inline float __expf(float x) { return std::exp(x); }
inline float __fdividef(float x, float y) { return x / y; }
inline float rsqrtf(float x) { return 1 / std::sqrt(x); }
inline float __int_as_float(int x) { return std::bit_cast<float>(x); }
inline int __float_as_int(float x) { return std::bit_cast<int>(x); }
inline float __uint_as_float(unsigned x) { return std::bit_cast<float>(x); }
inline unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }

template <typename T, typename U>
constexpr std::common_type_t<T, U> min(T a, U b) {
  return b < a ? b : a;
}

template <typename T, typename U>
constexpr std::common_type_t<T, U> max(T a, U b) {
  return a < b ? b : a;
}

// ---- the twins of device.h
// ---------------------------------------------------------------------------------

#define FRONTIER_CUDA_LIBRARY(m) STABLE_TORCH_LIBRARY_IMPL(frontier_kernels_emulated, CPU, m)

namespace frontier::cuda {

class DeviceGuard {
 public:
  explicit DeviceGuard(const torch::stable::Tensor&) {}
};

inline cudaStream_t current_stream(const torch::stable::Tensor&) { return nullptr; }

inline Properties emulated_properties() {
  using frontier::emulator::Machine;
  // Few SMs, so that few blocks take the path of a full device.
  return {Machine::capability(), 4, Machine::shared_limit()};
}

inline Properties properties(const torch::stable::Tensor&) { return emulated_properties(); }

template <typename... P, typename... A>
void launch(void (*kernel)(P...), dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t,
            A&&... arguments) {
  static_assert(sizeof...(P) == sizeof...(A), "the kernel takes another number of arguments");
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  const std::tuple<std::remove_cv_t<P>...> values{static_cast<P>(arguments)...};
  frontier::emulator::Machine::get().run(grid, block, shared_bytes, [&] { std::apply(kernel, values); });
}

template <typename T>
T* dynamic_shared() {
  return static_cast<T*>(frontier::emulator::Machine::get().shared());
}

template <typename T>
void mma_m16n8k16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
                  const std::source_location where = std::source_location::current()) {
  if (!tensor_cores<T>(emulated_properties())) emulator::fail("mma: this device has no product of this type");
  emulator::Product operand{d, a, b};
  emulator::Machine::get().meet(kWholeWarp, &operand, &emulator::Product::compute<T>, "mma", where);
}

inline void mma_m16n8k8_tf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
                             const std::source_location where = std::source_location::current()) {
  if (emulator::Machine::capability() < 80) emulator::fail("mma: this device has no product of this type");
  emulator::Product operand{d, a, b};
  emulator::Machine::get().meet(kWholeWarp, &operand, &emulator::Product::compute_tf32, "mma", where);
}

inline void ldmatrix_x4(uint32_t (&words)[4], const void* row,
                        const std::source_location where = std::source_location::current()) {
  emulator::MatrixLoad operand{words, row};
  emulator::Machine::get().meet(kWholeWarp, &operand, &emulator::MatrixLoad::compute<false>, "ldmatrix",
                                where);
}

inline void ldmatrix_x4_trans(uint32_t (&words)[4], const void* row,
                              const std::source_location where = std::source_location::current()) {
  emulator::MatrixLoad operand{words, row};
  emulator::Machine::get().meet(kWholeWarp, &operand, &emulator::MatrixLoad::compute<true>, "ldmatrix.trans",
                                where);
}

template <int BYTES = 16>
void cp_async(void* shared, const void* global, bool valid = true) {
  auto& machine = emulator::Machine::get();
  machine.check_shared(shared, BYTES, "cp.async");
  if (valid && reinterpret_cast<uintptr_t>(global) % BYTES)
    emulator::fail("cp.async: a source not aligned to " + std::to_string(BYTES));
  // What is under way must not be read: until it arrives there is NaN.
  std::memset(shared, 0xff, BYTES);
  machine.current().open.push_back({shared, valid ? global : nullptr, BYTES});
}

inline void cp_async_commit() {
  emulator::Fiber& fiber = emulator::Machine::get().current();
  fiber.groups.push_back(std::move(fiber.open));
  fiber.open.clear();
}

template <int PENDING>
void cp_async_wait() {
  emulator::Fiber& fiber = emulator::Machine::get().current();
  while (fiber.groups.size() > PENDING) {
    for (const emulator::Copy& copy : fiber.groups.front()) {
      if (copy.from)
        std::memcpy(copy.to, copy.from, copy.bytes);
      else
        std::memset(copy.to, 0, copy.bytes);
    }
    fiber.groups.erase(fiber.groups.begin());
  }
}

}  // namespace frontier::cuda
