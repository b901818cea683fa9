// Which backend a command uses. Command-line
// layer; must not include CLI11 headers.
#pragma once

#include <fathom/context.hpp>

#include "verb.hpp"

namespace fathom::cuda {
class Device;
}

namespace fathom::cli {

/// From the environment; messages of the library go to standard error.
Context make_context();
/// The same for a verb that can run on the emulator: --backend emulator loads it as the driver, the
/// one that FATHOM_LIBCUDA names before the one beside this program.
Context make_context(const CommonFlags& flags);

/// What --backend names, cuda for emulator; auto stays auto: what the GPU cannot do, some verbs
/// then leave to the cpu. Throws Error(kNoDevice) for cuda on a machine without a driver or a
/// device, Error(kInvalidArgument) for emulator where the context has none.
Backend chosen_backend(const CommonFlags& flags, const Context& context);

/// The first device where it is a Hopper GPU, else nullptr.
const cuda::Device* hopper_device(const Context& context);

/// Casts of the command line run where the files are read: on the reference where that was asked
/// for, else on the cpu.
Backend quantize_backend(Backend chosen);

}  // namespace fathom::cli
