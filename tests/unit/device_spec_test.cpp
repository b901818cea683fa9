// The GPUs that the planner knows, and specs made from what a driver reports. No GPU.
#include "plan/device_spec.hpp"

#include <gtest/gtest.h>

namespace fathom::plan {
namespace {

TEST(DeviceSpec, KnowsTheHopperParts) {
  for (const char* name : {"h200", "h100", "h800", "h20", "gh200"}) {
    const auto device = find_device(name);
    ASSERT_TRUE(device.has_value()) << name;
    EXPECT_EQ(device->name, name);
    EXPECT_EQ(device->num_sms, name == std::string("h20") ? 78 : 132);
    EXPECT_EQ(device->smem_bytes_per_cta, 232448);
  }
  EXPECT_FALSE(find_device("b200").has_value());
  EXPECT_EQ(known_device_names(), "h200, h100, h800, h20, gh200");
}

TEST(DeviceSpec, H20HasAQuarterOfTheTensorRate) {
  const DeviceSpec d = find_device("h20").value();
  // 296 TFLOPS of the data sheet at 1.83 GHz.
  EXPECT_NEAR(2.0 * d.tensor_fma_per_clk * d.num_sms * 1.83e9 / 1e12, 296, 5);
}

TEST(DeviceSpec, ResidentClustersAreMeasuredOrScaled) {
  const DeviceSpec h200 = find_device("h200").value();
  EXPECT_EQ(h200.resident_ctas(1), 132);
  EXPECT_EQ(h200.resident_ctas(2), 132);
  EXPECT_EQ(h200.resident_ctas(3), 117);
  EXPECT_EQ(h200.resident_ctas(8), 120);
  EXPECT_EQ(h200.resident_ctas(17), 0);
  DeviceSpec seven = h200;
  seven.num_sms = 7;
  seven.resident_ctas_by_cluster = {};
  EXPECT_EQ(seven.resident_ctas(1), 7);
  EXPECT_EQ(seven.resident_ctas(2), 6);
  EXPECT_EQ(seven.resident_ctas(4), 4);
  EXPECT_EQ(seven.resident_ctas(8), 0);
  for (int size = 1; size <= 16; ++size) {
    EXPECT_EQ(h200.resident_ctas(size) % size, 0) << size;
    EXPECT_LE(h200.resident_ctas(size), 132) << size;
  }
}

TEST(DeviceSpec, ReportedNamesFindTheirSpec) {
  EXPECT_EQ(device_from({.name = "NVIDIA H200"}).hbm_bytes_per_ns,
            find_device("h200")->hbm_bytes_per_ns);
  EXPECT_EQ(device_from({.name = "NVIDIA H20"}).tensor_fma_per_clk, 1024);
  EXPECT_EQ(device_from({.name = "NVIDIA GH200 480GB"}).hbm_bytes_per_ns,
            find_device("gh200")->hbm_bytes_per_ns);
  EXPECT_EQ(device_from({.name = "NVIDIA H100 80GB HBM3"}).hbm_bytes_per_ns,
            find_device("h100")->hbm_bytes_per_ns);
}

TEST(DeviceSpec, ReportedCountsWin) {
  const DeviceSpec d = device_from({.name = "NVIDIA H100 PCIe",
                                    .num_sms = 114,
                                    .l2_bytes = 50LL << 20,
                                    .smem_bytes_per_cta = 200000,
                                    .max_clock_khz = 1755000});
  EXPECT_EQ(d.num_sms, 114);
  EXPECT_EQ(d.resident_ctas(1), 114);
  EXPECT_EQ(d.smem_bytes_per_cta, 200000);
  EXPECT_DOUBLE_EQ(d.max_clock_ghz, 1.755);
  EXPECT_EQ(device_from({.name = "something new", .num_sms = 100}).num_sms, 100);
}

}  // namespace
}  // namespace fathom::plan
