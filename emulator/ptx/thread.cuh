// device/ptx/thread.cuh for the host: see there for the contracts. Emulator layer.
#pragma once

#include "base/types.hpp"

namespace fathom::ptx {

int thread_index();
int lane_index();
int cta_index();
int num_ctas();
int cluster_rank();
int warp_uniform(int value);
int shuffle(int value, int lane);
int shuffle_up(int value, int delta);
int shuffle_down(int value, int delta);
uint32_t ballot(bool said);
int population_count(uint32_t bits);
bool elect_one();
void warp_sync();
void setmaxnreg(int registers, bool more);
template <int kRegisters>
void setmaxnreg_inc() {
  setmaxnreg(kRegisters, true);
}
template <int kRegisters>
void setmaxnreg_dec() {
  setmaxnreg(kRegisters, false);
}
uint64_t global_timer();
void trap();
template <typename T>
void make_opaque(T&) {}

}  // namespace fathom::ptx
