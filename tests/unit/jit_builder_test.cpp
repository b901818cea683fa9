// The builder's layers: memory, caches on disk, compiler; threads, processes and failures.
#include "jit/builder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fathom/error.hpp>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "support/fake_compiler.hpp"
#include "support/files.hpp"
#include "support/forked.hpp"

namespace fathom::jit {
namespace {

namespace fs = std::filesystem;
using fathom::testing::FakeCompiler;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::vector<embedded::DeviceSource> kHeaders = {{"part/one.cuh", "int one;\n"}};

class JitBuilder : public ::testing::Test {
 protected:
  BuilderOptions options() {
    BuilderOptions options;
    options.cache_directory = temporary_.path() / "cache";
    options.warn = [this](std::string_view message) { warnings_.emplace_back(message); };
    return options;
  }

  support::TemporaryDirectory temporary_{"fathom-test"};
  std::vector<std::string> warnings_;
  std::shared_ptr<FakeCompiler> compiler_ = std::make_shared<FakeCompiler>();
};

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCompileFailed);
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}

TEST_F(JitBuilder, CompilesOnceThenServesFromMemoryThenFromDisk) {
  Builder builder(options(), kHeaders, compiler_);
  EXPECT_EQ(builder.find("k", "source"), nullptr);
  const auto kernel = builder.build("k", "source");
  EXPECT_EQ(kernel->origin, Origin::kCompiled);
  EXPECT_EQ(kernel->use.registers, 168);
  EXPECT_EQ(kernel->use.spill_bytes, 16);
  EXPECT_TRUE(kernel->on_disk);
  EXPECT_EQ(builder.build("k", "source"), kernel);
  EXPECT_EQ(builder.find("k", "source"), kernel);

  Builder next(options(), kHeaders, compiler_);
  const auto cached = next.build("k", "source");
  EXPECT_EQ(cached->origin, Origin::kUserCache);
  EXPECT_EQ(cached->image, kernel->image);
  EXPECT_EQ(cached->use.registers, 168);
  EXPECT_EQ(cached->compiler, "fake 12.9");
  EXPECT_EQ(compiler_->compiles, 1);
  EXPECT_NE(next.build("k", "other source"), cached);
  EXPECT_EQ(compiler_->compiles, 2);
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(JitBuilder, AnotherCompilerOrHeaderCompilesAgain) {
  Builder(options(), kHeaders, compiler_).build("k", "source");
  auto other = std::make_shared<FakeCompiler>("fake 13.0", 13);
  Builder(options(), kHeaders, other).build("k", "source");
  EXPECT_EQ(other->compiles, 1);
  const std::vector<embedded::DeviceSource> edited = {{"part/one.cuh", "int two;\n"}};
  Builder(options(), edited, compiler_).build("k", "source");
  EXPECT_EQ(compiler_->compiles, 2);
}

TEST_F(JitBuilder, TheCacheMayMove) {
  Builder(options(), kHeaders, compiler_).build("k", "source");
  fs::rename(temporary_.path() / "cache", temporary_.path() / "moved");
  BuilderOptions moved = options();
  moved.cache_directory = temporary_.path() / "moved";
  EXPECT_EQ(Builder(moved, kHeaders, compiler_).build("k", "source")->origin, Origin::kUserCache);
}

TEST_F(JitBuilder, ConcurrentThreadsCompileOnce) {
  compiler_->delay = std::chrono::milliseconds(50);
  Builder builder(options(), kHeaders, compiler_);
  std::vector<std::shared_ptr<const Kernel>> kernels(8);
  {
    std::vector<std::jthread> threads;
    for (auto& kernel : kernels) {
      threads.emplace_back([&] { kernel = builder.build("k", "source"); });
    }
  }
  EXPECT_EQ(compiler_->compiles, 1);
  for (const auto& kernel : kernels) EXPECT_EQ(kernel, kernels[0]);
}

TEST_F(JitBuilder, DifferentKernelsCompileAtTheSameTime) {
  compiler_->delay = std::chrono::milliseconds(200);
  Builder builder(options(), kHeaders, compiler_);
  const auto start = std::chrono::steady_clock::now();
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&, i] { builder.build("k" + std::to_string(i), "source"); });
    }
  }
  // One after the other would take 8 x 200 ms.
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(1000));
  EXPECT_EQ(compiler_->compiles, 8);
}

// As the ranks of a job start: all ask for all kernels, nothing is cached.
TEST_F(JitBuilder, ManyProcessesOnAColdCache) {
  compiler_->image_padding = 20'000;
  std::vector<pid_t> children;
  for (int rank = 0; rank < 24; ++rank) {
    children.push_back(fathom::testing::start_child([&] {
      Builder builder(options(), kHeaders, compiler_);
      for (int i = 0; i < 6; ++i) {
        const std::string name = "kernel_" + std::to_string(i);
        const auto kernel = builder.build(name, "source");
        if (!kernel->image.starts_with(name + " by process ")) return 1;
        // Who compiled uses its own result, whoever won the race for the file.
        const std::string mine = "by process " + std::to_string(::getpid()) + " ";
        const bool is_mine = kernel->image.find(mine) != std::string::npos;
        if (is_mine != (kernel->origin == Origin::kCompiled)) return 2;
      }
      return warnings_.empty() ? 0 : 3;
    }));
  }
  for (const pid_t child : children) {
    EXPECT_TRUE(fathom::testing::ended_well(fathom::testing::wait_for(child)));
  }
  Builder builder(options(), kHeaders, compiler_);
  const auto files = builder.cache().list();
  EXPECT_EQ(files.size(), 6u);
  for (const auto& file : files) EXPECT_TRUE(file.entry) << file.problem;
  for (const auto& item : fs::directory_iterator(builder.cache().kernels_path())) {
    EXPECT_EQ(item.path().extension(), ".kernel");
  }
}

TEST_F(JitBuilder, ManyProcessesSomeOfThemKilled) {
  compiler_->image_padding = 500'000;
  std::vector<pid_t> children;
  for (int rank = 0; rank < 12; ++rank) {
    children.push_back(fathom::testing::start_child([&] {
      for (;;) {
        Builder builder(options(), kHeaders, compiler_);
        for (int i = 0; i < 3; ++i) builder.build("kernel_" + std::to_string(i), "source");
        if (builder.cache().clear() < 0) return 1;  // so that the next round writes again
      }
    }));
  }
  for (const pid_t child : children) {
    ::usleep(7'000);
    ::kill(child, SIGKILL);
    fathom::testing::wait_for(child);
  }
  Builder builder(options(), kHeaders, compiler_);
  for (const auto& file : builder.cache().list()) EXPECT_TRUE(file.entry) << file.problem;
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(builder.build("kernel_" + std::to_string(i), "source"));
  }
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(JitBuilder, DamagedEntryIsCompiledAgainAndReplaced) {
  Builder first(options(), kHeaders, compiler_);
  first.build("k", "source");
  const fs::path path = first.cache().list().at(0).path;
  ASSERT_EQ(::truncate(path.c_str(), 50), 0);
  EXPECT_EQ(Builder(options(), kHeaders, compiler_).build("k", "source")->origin,
            Origin::kCompiled);
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("truncated")));
  EXPECT_EQ(Builder(options(), kHeaders, compiler_).build("k", "source")->origin,
            Origin::kUserCache);
  EXPECT_EQ(warnings_.size(), 1u);
}

TEST_F(JitBuilder, AWarningMayAskForTheKernelItIsAbout) {
  Builder(options(), kHeaders, compiler_).build("k", "source");
  std::shared_ptr<const Kernel> asked;
  Builder* builder = nullptr;
  BuilderOptions asking = options();
  asking.warn = [&](std::string_view) { asked = builder->build("k", "source"); };
  Builder made(asking, kHeaders, compiler_);
  builder = &made;
  ASSERT_EQ(::truncate(made.cache().list().at(0).path.c_str(), 50), 0);
  EXPECT_EQ(made.build("k", "source"), asked);
  EXPECT_NE(asked, nullptr);
}

TEST_F(JitBuilder, WithoutADirectoryEverythingStaysInMemory) {
  BuilderOptions nowhere = options();
  nowhere.cache_directory.clear();
  Builder builder(nowhere, kHeaders, compiler_);
  EXPECT_EQ(builder.build("k", "source"), builder.build("k", "source"));
  EXPECT_THAT(warnings_, IsEmpty()) << "asked for";

  BuilderOptions unwritable = options();
  unwritable.cache_directory = "/proc/self/fathom";
  Builder second(unwritable, kHeaders, compiler_);
  EXPECT_EQ(second.build("k", "source"), second.build("k", "source"));
  EXPECT_FALSE(second.build("k", "source")->on_disk);
  EXPECT_TRUE(second.build("l", "source"));
  EXPECT_EQ(warnings_.size(), 1u);
  EXPECT_EQ(compiler_->compiles, 3);
}

TEST_F(JitBuilder, TheSystemCacheLiesUnderTheUsers) {
  BuilderOptions image = options();
  image.cache_directory = temporary_.path() / "system";
  Builder(image, kHeaders, compiler_).build("k", "source");
  BuilderOptions layered = options();
  layered.system_cache_directory = temporary_.path() / "system";
  Builder builder(layered, kHeaders, compiler_);
  EXPECT_EQ(builder.build("k", "source")->origin, Origin::kSystemCache);
  EXPECT_FALSE(fs::exists(layered.cache_directory));
  EXPECT_EQ(builder.build("l", "source")->origin, Origin::kCompiled);
  EXPECT_EQ(builder.cache().list().size(), 1u);
  EXPECT_EQ(compiler_->compiles, 2);
}

TEST_F(JitBuilder, WithoutACompilerAFilledCacheServes) {
  Builder(options(), kHeaders, compiler_).build("k", "source");
  BuilderOptions none = options();
  none.compiler.compiler = "none";
  Builder builder(none, kHeaders);
  EXPECT_EQ(builder.build("k", "source")->origin, Origin::kUserCache);
  EXPECT_EQ(builder.build("k", "source")->key,
            Builder(options(), kHeaders, compiler_).build("k", "source")->key);
  EXPECT_EQ(builder.find("l", "source"), nullptr);
  EXPECT_THAT(message_of([&] { builder.build("l", "source"); }),
              ::testing::AllOf(HasSubstr("compile l"), HasSubstr("FATHOM_COMPILER=none")));
  none.driver_major = 11;
  EXPECT_EQ(Builder(none, kHeaders).find("k", "source"), nullptr) << "made by CUDA 12";
}

TEST_F(JitBuilder, ACompilerMayBeInstalledWhileTheProcessRuns) {
  BuilderOptions later = options();
  later.compiler.nvrtc = temporary_.path() / "nvrtc";
  Builder builder(later, kHeaders);
  EXPECT_EQ(builder.compiler(), nullptr);
  fs::create_directories(later.compiler.nvrtc);
  for (const char* name : {"libnvrtc.so.13", "libnvrtc-builtins.so.13.0"})
    support::write_file_atomically(later.compiler.nvrtc / name, "");
  EXPECT_NE(builder.compiler(), nullptr);
}

TEST_F(JitBuilder, ARefusedSourceSaysEverything) {
  Builder builder(options(), kHeaders, compiler_);
  const std::string message = message_of([&] { builder.build("k", "#error"); });
  EXPECT_THAT(message, HasSubstr("compile k"));
  EXPECT_THAT(message, HasSubstr("command: fake --gpu-architecture=sm_90a"));
  EXPECT_THAT(message, HasSubstr("refused as asked"));
  const std::size_t begin = message.find("source: ") + 8;
  const fs::path kept = message.substr(begin, message.find('\n', begin) - begin);
  EXPECT_EQ(support::read_file(kept), "#error");
  EXPECT_EQ(support::read_file(kept.parent_path() / "part/one.cuh"), kHeaders[0].text);
  EXPECT_EQ(builder.find("k", "#error"), nullptr);
  message_of([&] { builder.build("k", "#error"); });
  EXPECT_EQ(compiler_->compiles, 2) << "a failure is not remembered";
}

TEST_F(JitBuilder, AClearedCacheKeepsNoRefusedSource) {
  Builder builder(options(), kHeaders, compiler_);
  message_of([&] { builder.build("k", "#error"); });
  EXPECT_FALSE(fs::is_empty(builder.cache().failed_path()));
  EXPECT_EQ(builder.cache().clear(), 0);
  EXPECT_FALSE(fs::exists(builder.cache().failed_path()));
}

TEST_F(JitBuilder, ARefusedSourceIsKeptWithoutACacheDirectoryToo) {
  BuilderOptions nowhere = options();
  nowhere.cache_directory = "/proc/self/fathom";
  const std::string message =
      message_of([&] { Builder(nowhere, kHeaders, compiler_).build("k", "#error"); });
  const std::size_t begin = message.find("source: ") + 8;
  const fs::path kept = message.substr(begin, message.find('\n', begin) - begin);
  EXPECT_EQ(support::read_file(kept), "#error");
  fs::remove_all(kept.parent_path());
}

TEST_F(JitBuilder, WaitersSeeTheFailureToo) {
  compiler_->delay = std::chrono::milliseconds(100);
  Builder builder(options(), kHeaders, compiler_);
  std::atomic<int> failures{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        try {
          builder.build("k", "#error");
        } catch (const Error&) {
          ++failures;
        }
      });
    }
  }
  EXPECT_EQ(failures, 4);
}

TEST_F(JitBuilder, AForkInMidCompileLeavesTheChildUsable) {
  compiler_->delay = std::chrono::milliseconds(300);
  Builder builder(options(), kHeaders, compiler_);
  std::jthread parent([&] { builder.build("k", "source"); });
  while (compiler_->compiles == 0) std::this_thread::yield();
  const pid_t child = fathom::testing::start_child([&] {
    ::alarm(20);  // the thread that it waits for would not exist here
    return builder.build("k", "source")->image.empty() ? 1 : 0;
  });
  EXPECT_TRUE(fathom::testing::ended_well(fathom::testing::wait_for(child)));
}

}  // namespace
}  // namespace fathom::jit
