// Kernels built ahead, several at once. Front end, internal; shared with the command line.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include <fathom/context.hpp>

#include "jit/builder.hpp"
#include "plan/kernel_set.hpp"

namespace fathom::api {

/// Builds all, `threads` at once, and calls done() after each, one call at a time. The first
/// failure, of done() too, ends the rest and is thrown.
std::vector<std::shared_ptr<const jit::Kernel>> build_kernels(
    jit::Builder& builder, std::span<const plan::KernelText> kernels, int threads,
    const std::function<void()>& done);

/// The CUDA version of the driver, so that the compiler is chosen as serving will; 0 without one.
int driver_major(const Context& context);

}  // namespace fathom::api
