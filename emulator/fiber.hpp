// One emulated thread's own stack and the jumps to and from it (Boost.Context), announced to the
// sanitizers. Emulator layer; knows nothing of kernels.
#pragma once

#include <boost/context/fiber.hpp>
#include <cstddef>
#include <memory>
#include <vector>

namespace fathom::emulator {

/// Memory for one stack; the page below it is a guard.
struct Stack {
  std::byte* bottom = nullptr;
  std::size_t bytes = 0;
};

/// Stacks of equal size, mapped together, used again cluster after cluster and launch after launch.
class StackPool {
 public:
  explicit StackPool(int count);
  ~StackPool();
  StackPool(const StackPool&) = delete;
  StackPool& operator=(const StackPool&) = delete;
  Stack stack(int index) const;

 private:
  class Stacks;
  struct Idle;
  static Idle& idle();

  std::unique_ptr<Stacks> stacks_;
};

class Fiber {
 public:
  using Body = void (*)(void* argument);

  Fiber() = default;
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// Nothing runs before the first resume().
  void start(Stack stack, Body body, void* argument);
  /// Runs the body until it suspends or ends. From outside.
  void resume();
  /// Back to who resumed. From inside.
  void suspend();
  bool ended() const { return ended_; }
  /// Ends a suspended body by an exception from its suspend().
  void unwind();

 private:
  struct Unwinding {};
  void enter();

  boost::context::fiber inside_, outside_;
  Stack stack_;
  Body body_ = nullptr;
  void* argument_ = nullptr;
  bool ended_ = true;
  bool unwinding_ = false;
  // Of the sanitizers: the fake stack of the suspended side, the outer stack, the thread's image.
  [[maybe_unused]] void* fake_stack_ = nullptr;
  [[maybe_unused]] const void* outer_bottom_ = nullptr;
  [[maybe_unused]] std::size_t outer_bytes_ = 0;
  [[maybe_unused]] void* tsan_inside_ = nullptr;
  [[maybe_unused]] void* tsan_outside_ = nullptr;
};

}  // namespace fathom::emulator
