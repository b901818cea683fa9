// What the CUDA backend of every family needs from a context: the driver, the maker of kernels, and
// what was planned before.
// Front end, internal.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include <fathom/context.hpp>

#include "api/gemm_memo.hpp"
#include "cuda/driver.hpp"
#include "cuda/library.hpp"
#include "jit/builder.hpp"

namespace fathom::api {

struct CudaRuntime {
  const cuda::Driver& driver;
  jit::Builder builder;
  GemmMemo gemms = {};

  // What load_kernel gave before, by device and name.
  std::mutex loaded_mutex = {};
  std::map<std::pair<int, std::string>, cuda::Function, std::less<>> loaded = {};
};

/// Made at the first call, shared by all copies of the context. Throws Error(kNoDevice) that says
/// what was tried.
CudaRuntime& cuda_runtime(const Context& context);

/// How this context compiles kernels and where it keeps them. `driver_major` is the CUDA version of
/// the driver that will load them, 0 = unknown (compiling ahead on a machine without a GPU). Its
/// warnings go to the context's log; the context must outlive them.
jit::BuilderOptions builder_options(const Context& context, int driver_major);

/// The kernel `name` on `device`, ready to launch: loaded already, or from a cache, or compiled
/// now. `source` is asked for the text when the context has not loaded it yet: equal names must
/// have equal texts.
cuda::Function load_kernel(const Context& context, const cuda::Device& device,
                           const std::string& name, const std::function<std::string()>& source,
                           int shared_bytes);

}  // namespace fathom::api
