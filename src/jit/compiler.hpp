// What turns kernel text into machine code: the interface that NVRTC, nvcc and the tests' fake
// implement. JIT layer; knows no kernel.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "jit/embedded.hpp"

namespace fathom::jit {

struct CompileRequest {
  std::string_view
      name;  ///< readable and unique to the kernel; names the source in messages, never a path
  std::string_view source;  ///< the whole translation unit but for its headers
  std::span<const embedded::DeviceSource> headers;  ///< all that #include can find
  std::string_view architecture;         ///< "sm_90a" gives a cubin; "compute_90a" gives PTX text
  std::span<const std::string> options;  ///< as NVRTC spells them
};

struct CompileOutput {
  bool ok = false;
  std::string command;  ///< the command line that does the same by hand
  std::string log;      ///< what the compiler said, warnings and ptxas' report included
  std::string image;    ///< cubin or PTX; empty unless ok
};

/// Any number of threads may call the members of one object at once.
class Compiler {
 public:
  virtual ~Compiler() = default;

  /// Equal for two compilers if and only if they give the same code: part of the cache key. Holds
  /// no path. Cheap: a process that finds every kernel in the cache asks for this and never
  /// compiles.
  virtual std::string identity() const = 0;
  /// The CUDA version it belongs to; a driver loads code of its own major version and older.
  virtual int cuda_major() const = 0;
  /// Where it was found, for messages.
  virtual std::string location() const = 0;
  /// A refused source is an output with ok = false. Throws Error when the compiler itself cannot
  /// run.
  virtual CompileOutput compile(const CompileRequest& request) = 0;
};

}  // namespace fathom::jit
