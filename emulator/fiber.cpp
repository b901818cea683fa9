#include "emulator/fiber.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <boost/context/preallocated.hpp>
#include <mutex>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

namespace fathom::emulator {
namespace {

constexpr std::size_t kPage = 4096;
// Kernels keep at most a few hundred floats; address-sanitized frames are several times as large.
#if defined(__SANITIZE_ADDRESS__)
constexpr std::size_t kStackBytes = 256 * 1024;
#else
constexpr std::size_t kStackBytes = 64 * 1024;
#endif

/// Boost wants an allocator; the pool owns the memory.
struct NoAllocator {
  boost::context::stack_context allocate() { return {}; }
  void deallocate(boost::context::stack_context&) {}
};

}  // namespace

class StackPool::Stacks {
 public:
  explicit Stacks(int count)
      : count_(count), bytes_(static_cast<std::size_t>(count) * (kStackBytes + kPage)) {
    void* memory = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    memory_ = static_cast<std::byte*>(memory);
    for (int i = 0; i < count; ++i) mprotect(stack(i).bottom - kPage, kPage, PROT_NONE);
  }
  ~Stacks() { munmap(memory_, bytes_); }
  Stacks(const Stacks&) = delete;
  Stacks& operator=(const Stacks&) = delete;

  int count() const { return count_; }
  Stack stack(int index) const {
    return {memory_ + static_cast<std::size_t>(index) * (kStackBytes + kPage) + kPage, kStackBytes};
  }

 private:
  int count_;
  std::byte* memory_ = nullptr;
  std::size_t bytes_;
};

/// Stacks that no launch uses now: as many pools as there ever were at once. Mapping and unmapping
/// them took a third of a small launch's time.
struct StackPool::Idle {
  std::mutex mutex;
  std::vector<std::unique_ptr<Stacks>> pools;
};

StackPool::Idle& StackPool::idle() {
  static Idle instance;
  return instance;
}

StackPool::StackPool(int count) {
  {
    const std::lock_guard lock(idle().mutex);
    auto& pools = idle().pools;
    const auto fits = std::find_if(pools.begin(), pools.end(),
                                   [&](const auto& stacks) { return stacks->count() >= count; });
    if (fits != pools.end()) stacks_ = std::move(*fits);
    // One that is too small makes room for one that is not.
    if (!pools.empty()) pools.erase(fits != pools.end() ? fits : pools.begin());
  }
  if (stacks_ == nullptr) stacks_ = std::make_unique<Stacks>(count);
}

StackPool::~StackPool() {
  const std::lock_guard lock(idle().mutex);
  idle().pools.push_back(std::move(stacks_));
}

Stack StackPool::stack(int index) const {
  return stacks_->stack(index);
}

Fiber::~Fiber() {
  unwind();
}

void Fiber::start(Stack stack, Body body, void* argument) {
  stack_ = stack;
  body_ = body;
  argument_ = argument;
  ended_ = false;
  unwinding_ = false;
#if defined(__SANITIZE_ADDRESS__)
  // Frames that a jump left behind, the last of every fiber among them, are still marked here.
  ASAN_UNPOISON_MEMORY_REGION(stack.bottom, stack.bytes);
#endif
  boost::context::stack_context context;
  context.size = stack.bytes;
  context.sp = stack.bottom + stack.bytes;
  inside_ = boost::context::fiber(std::allocator_arg,
                                  boost::context::preallocated(context.sp, context.size, context),
                                  NoAllocator{}, [this](boost::context::fiber&& outside) {
                                    outside_ = std::move(outside);
                                    enter();
                                    return std::move(outside_);
                                  });
#if defined(__SANITIZE_THREAD__)
  tsan_inside_ = __tsan_create_fiber(0);
#endif
}

void Fiber::resume() {
#if defined(__SANITIZE_ADDRESS__)
  void* fake_stack = nullptr;
  __sanitizer_start_switch_fiber(&fake_stack, stack_.bottom, stack_.bytes);
#endif
#if defined(__SANITIZE_THREAD__)
  tsan_outside_ = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(tsan_inside_, 0);
#endif
  inside_ = std::move(inside_).resume();
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(fake_stack, nullptr, nullptr);
#endif
#if defined(__SANITIZE_THREAD__)
  if (ended_) __tsan_destroy_fiber(tsan_inside_);
#endif
}

void Fiber::suspend() {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&fake_stack_, outer_bottom_, outer_bytes_);
#endif
#if defined(__SANITIZE_THREAD__)
  __tsan_switch_to_fiber(tsan_outside_, 0);
#endif
  outside_ = std::move(outside_).resume();
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(fake_stack_, &outer_bottom_, &outer_bytes_);
#endif
  if (unwinding_) throw Unwinding{};
}

void Fiber::unwind() {
  if (ended_) return;
  unwinding_ = true;
  resume();
}

void Fiber::enter() {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, &outer_bottom_, &outer_bytes_);
#endif
  if (!unwinding_) {
    try {
      body_(argument_);
    } catch (const Unwinding&) {
    }
  }
  ended_ = true;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(nullptr, outer_bottom_, outer_bytes_);
#endif
#if defined(__SANITIZE_THREAD__)
  __tsan_switch_to_fiber(tsan_outside_, 0);
#endif
}

}  // namespace fathom::emulator
