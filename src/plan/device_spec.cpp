// The GPUs known by name. Planning layer: pure.
#include "plan/device_spec.hpp"

#include <algorithm>
#include <cctype>

namespace fathom::plan {
namespace {

// Measured on one H200 with 200 KB of shared memory a CTA, clusters of 1, 2, 3, ... (2026-11-21). 0
// was not measured.
constexpr std::array<int, DeviceSpec::kMaxClusterSize + 1> kH200Residency = {
    0, 132, 132, 117, 120, 110, 102, 105, 120, 0, 0, 0, 0, 0, 0, 0, 112};

DeviceSpec h200() {
  // Clocks: 1980 MHz highest; 1.50 to 1.75 GHz inside kernels at m = 4096 (700 W cap). HBM: a
  // kernel that only streams weights, evict-first, takes 2.65 us + bytes / 4.07 TB/s over 15 to 117
  // MB. L2: DeepGEMM's model of sm_90, min(64 per SM, 6153) B/clk; 12 TB/s at 1.98 GHz explains the
  // decode shapes, 9.3 TB/s at the cap m = 4096.
  DeviceSpec d;
  d.resident_ctas_by_cluster = kH200Residency;
  return d;
}

DeviceSpec h100() {
  // H100 SXM data sheet: 132 SMs, 1980 MHz, 700 W, 3.35 TB/s; reaches the share of it that the H200
  // does (0.848).
  DeviceSpec d = h200();
  d.name = "h100";
  d.hbm_bytes_per_ns = 2840;
  d.resident_ctas_by_cluster = {};
  return d;
}

DeviceSpec h800() {
  // The H100 SXM but for NVLink and FP64.
  DeviceSpec d = h100();
  d.name = "h800";
  return d;
}

DeviceSpec h20() {
  // Data sheet: 296 TFLOPS of FP8 from 78 SMs = 1024 multiply-adds per SM and clock; 4.0 TB/s; 60
  // MB of L2. A quarter of the tensor rate never meets the power cap.
  DeviceSpec d = h200();
  d.name = "h20";
  d.num_sms = 78;
  d.capped_clock_ghz = 1.83;
  d.tensor_fma_per_clk = 1024;
  d.hbm_bytes_per_ns = 3390;
  d.l2_bytes = 60LL << 20;
  d.l2_useful_bytes = 30LL << 20;
  d.resident_ctas_by_cluster = {};
  return d;
}

DeviceSpec gh200() {
  // The 96 GB part: H100 SMs, HBM3 at 4.0 TB/s. Its cap is set per system (450 to 1000 W): taken as
  // the H100's.
  DeviceSpec d = h100();
  d.name = "gh200";
  d.hbm_bytes_per_ns = 3390;
  return d;
}

/// "NVIDIA H200" -> "h200", "NVIDIA GH200 480GB" -> "gh200".
std::string short_name(const std::string& name) {
  std::string lower = name;
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  // The longest name wins: "h20" is a part of "h200" and that of "gh200".
  std::string best;
  for (const DeviceSpec& d : known_devices())
    if (lower.find(d.name) != std::string::npos && d.name.size() > best.size()) best = d.name;
  return best;
}

}  // namespace

bool DeviceSpec::runs(std::string_view kernel) const {
  return kernels.empty() || std::find(kernels.begin(), kernels.end(), kernel) != kernels.end();
}

int DeviceSpec::resident_ctas(int cluster_size) const {
  if (cluster_size < 1 || cluster_size > kMaxClusterSize || cluster_size > num_sms) return 0;
  const auto size = static_cast<std::size_t>(cluster_size);
  if (resident_ctas_by_cluster[size] != 0) return resident_ctas_by_cluster[size];
  const int known = kH200Residency[size] != 0 ? kH200Residency[size] : kH200Residency[16];
  const int ctas = num_sms * known / kH200Residency[1];
  return std::max(ctas / cluster_size, 1) * cluster_size;
}

std::span<const DeviceSpec> known_devices() {
  static const std::array<DeviceSpec, 5> devices = {h200(), h100(), h800(), h20(), gh200()};
  return devices;
}

std::optional<DeviceSpec> find_device(std::string_view name) {
  for (const DeviceSpec& d : known_devices())
    if (d.name == name) return d;
  return std::nullopt;
}

std::string known_device_names() {
  std::string names;
  for (const DeviceSpec& d : known_devices()) names += (names.empty() ? "" : ", ") + d.name;
  return names;
}

DeviceSpec device_from(const QueriedDevice& queried) {
  DeviceSpec d = find_device(short_name(queried.name)).value_or(h200());
  d.name = queried.name.empty() ? d.name : queried.name;
  if (queried.num_sms != 0 && queried.num_sms != d.num_sms) {
    d.num_sms = queried.num_sms;
    d.resident_ctas_by_cluster = {};
  }
  if (queried.l2_bytes != 0 && queried.l2_bytes != d.l2_bytes) {
    d.l2_bytes = queried.l2_bytes;
    d.l2_useful_bytes = queried.l2_bytes / 2;
  }
  if (queried.smem_bytes_per_cta != 0) d.smem_bytes_per_cta = queried.smem_bytes_per_cta;
  d.kernels = queried.kernels;
  if (queried.max_clock_khz != 0) d.max_clock_ghz = queried.max_clock_khz * 1e-6;
  return d;
}

}  // namespace fathom::plan
