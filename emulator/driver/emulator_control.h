/* What libcuda_emulator.so exports beside the driver's functions. C, no dependencies. */
#ifndef FATHOM_EMULATOR_CONTROL_H_
#define FATHOM_EMULATOR_CONTROL_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The C names of the kernels that are built in, each followed by a newline. A driver that exports
 * this runs these kernels and no others, whatever image it is given (src/cuda/driver.hpp). */
const char* fathom_driver_kernels(void);

/* Launches from now on run the schedule of this seed: the first launch that of `seed` itself, each
 * later one that of the seed after. Forgets trace hash and report. Before the first call the seed
 * is that of the environment variable FATHOM_EMULATOR_SEED, or 1. */
void fathom_emulator_set_seed(uint64_t seed);
/* Over the schedules of all launches since the seed was set: equal hashes are equal schedules. */
uint64_t fathom_emulator_trace_hash(void);
/* The reports with findings since the seed was set, or "". Lives until the next call. */
const char* fathom_emulator_report(void);

#ifdef __cplusplus
} /* extern "C" */
#endif
#endif /* FATHOM_EMULATOR_CONTROL_H_ */
