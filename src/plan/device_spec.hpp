// What the planner knows of a GPU, as plain values. Planning layer: pure; no CUDA.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fathom::plan {

/// One GPU of the Hopper generation (sm_90a). Bandwidths are what a kernel reaches, not data
/// sheets.
struct DeviceSpec {
  static constexpr int kMaxClusterSize =
      16;  // CUDA guide, thread block clusters: 8 portable, 16 on sm_90

  std::string name = "h200";
  int num_sms = 132;
  double max_clock_ghz = 1.98;     ///< memory-bound kernels run near it
  double capped_clock_ghz = 1.57;  ///< under full tensor load, at the power cap
  int tensor_fma_per_clk = 4096;   ///< e4m3 multiply-adds per SM and clock
  double hbm_bytes_per_ns = 4070;  ///< streaming reads
  double hbm_write_back_share =
      0.43;  ///< dirty lines that go out for a byte read without eviction hint
  std::int64_t l2_bytes = 50LL << 20;
  std::int64_t l2_useful_bytes = 25LL << 20;  ///< of two partitions that may hold copies of a line
  double l2_bytes_per_clk = 6153;             ///< all SMs together
  double l2_bytes_per_clk_per_sm = 64;
  std::int64_t smem_bytes_per_cta = 232448;
  /// [c] = CTAs of a whole SM each, in clusters of c, that are resident at once; 0 = estimated.
  /// Clusters lie inside one GPC, and GPCs have unequal numbers of SMs.
  std::array<int, kMaxClusterSize + 1> resident_ctas_by_cluster{};

  /// The C names of the kernels that the device can run; empty = any kernel (an emulated device
  /// runs those built into it).
  std::vector<std::string> kernels{};

  bool runs(std::string_view kernel) const;
  /// The same for any size: measured, else scaled from the H200. At least one cluster if it fits at
  /// all.
  int resident_ctas(int cluster_size) const;
};

/// h200, h100 (SXM), h800, h20, gh200: lower-case names of the command line.
std::span<const DeviceSpec> known_devices();
std::optional<DeviceSpec> find_device(std::string_view name);
/// "h200, h100, ..." for messages.
std::string known_device_names();

/// What a driver reports about a device.
struct QueriedDevice {
  std::string name;  ///< "NVIDIA H200"
  int num_sms = 0;
  std::int64_t l2_bytes = 0;
  std::int64_t smem_bytes_per_cta = 0;
  int max_clock_khz = 0;
  std::vector<std::string> kernels{};  ///< DeviceSpec::kernels
};

/// The known device of that name with the reported counts put in; an unknown name gives an H200 of
/// that many SMs.
DeviceSpec device_from(const QueriedDevice& queried);

}  // namespace fathom::plan
