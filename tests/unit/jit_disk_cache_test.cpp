// The cache directory: publication, damage, other users, unusable places, eviction.
#include "jit/disk_cache.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <ctime>
#include <filesystem>
#include <string>
#include <vector>

#include "support/forked.hpp"

namespace fathom::jit {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

CacheEntry make_entry(const std::string& name, std::size_t image_bytes = 100,
                      const std::string& compiler = "fake 12.9", int cuda_major = 12) {
  CompileRequest request;
  request.name = name;
  request.architecture = "sm_90a";
  CacheEntry entry;
  entry.key = make_cache_key(request, "", compiler);
  entry.name = name;
  entry.architecture = "sm_90a";
  entry.compiler = compiler;
  entry.cuda_major = cuda_major;
  entry.image = std::string(image_bytes, 'i');
  return entry;
}

class JitDiskCache : public ::testing::Test {
 protected:
  DiskCacheOptions options() {
    DiskCacheOptions options;
    options.directory = directory_;
    options.warn = [this](std::string_view message) { warnings_.emplace_back(message); };
    return options;
  }
  fs::path path_of(const CacheEntry& entry) const {
    return directory_ / DiskCache::kSubdirectory / entry.key.file_name();
  }
  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& item : fs::directory_iterator(directory_ / DiskCache::kSubdirectory)) {
      names.push_back(item.path().filename().native());
    }
    return names;
  }
  static void overwrite(const fs::path& path, std::size_t offset, char value) {
    const int fd = ::open(path.c_str(), O_WRONLY);
    ASSERT_GE(fd, 0);
    ASSERT_EQ(::pwrite(fd, &value, 1, static_cast<off_t>(offset)), 1);
    ::close(fd);
  }
  static void set_age(const fs::path& path, std::int64_t seconds) {
    struct timespec times[2] = {};
    times[0].tv_sec = times[1].tv_sec = ::time(nullptr) - seconds;
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  }

  support::TemporaryDirectory temporary_{"fathom-test"};
  fs::path directory_ = temporary_.path() / "not" / "yet" / "there";
  std::vector<std::string> warnings_;
};

TEST_F(JitDiskCache, FindsWhatWasStored) {
  DiskCache cache(options());
  const CacheEntry entry = make_entry("a", 5000);
  EXPECT_FALSE(cache.find(entry.key));
  ASSERT_TRUE(cache.store(entry));
  DiskCache another(options());
  const auto found = another.find(entry.key);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->image, entry.image);
  EXPECT_THAT(files(), ElementsAre(entry.key.file_name()));
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(JitDiskCache, MakesItsDirectoriesForItsUserAlone) {
  DiskCache cache(options());
  const CacheEntry entry = make_entry("a");
  ASSERT_TRUE(cache.store(entry));
  struct stat status {};
  for (const fs::path& made : {temporary_.path() / "not", directory_, cache.kernels_path()}) {
    ASSERT_EQ(::stat(made.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0700u) << made;
  }
  ASSERT_EQ(::stat(path_of(entry).c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
}

TEST_F(JitDiskCache, DamagedEntryIsAMissWithOneWarningAndIsReplaced) {
  DiskCache cache(options());
  const CacheEntry entry = make_entry("a");
  ASSERT_TRUE(cache.store(entry));
  overwrite(path_of(entry), 300, '!');
  EXPECT_FALSE(cache.find(entry.key));
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("checksum")));
  EXPECT_THAT(warnings_[0], HasSubstr(path_of(entry).native()));
  ASSERT_TRUE(cache.store(entry));
  EXPECT_TRUE(cache.find(entry.key));
  EXPECT_EQ(warnings_.size(), 1u);
}

TEST_F(JitDiskCache, TruncatedEmptyAndForeignFilesAreMisses) {
  DiskCache cache(options());
  const CacheEntry entry = make_entry("a");
  const CacheEntry other = make_entry("b");
  ASSERT_TRUE(cache.store(entry));
  const auto full = static_cast<std::int64_t>(fs::file_size(path_of(entry)));
  for (const std::int64_t size : {full - 1, full / 2, std::int64_t{8}, std::int64_t{0}}) {
    ASSERT_EQ(::truncate(path_of(entry).c_str(), size), 0);
    EXPECT_FALSE(cache.find(entry.key)) << size << " bytes";
  }
  EXPECT_EQ(warnings_.size(), 4u);
  // A good entry under another entry's name.
  ASSERT_TRUE(cache.store(other));
  fs::rename(path_of(other), path_of(entry));
  EXPECT_FALSE(cache.find(entry.key));
  EXPECT_THAT(warnings_.back(), HasSubstr("another kernel"));
}

TEST_F(JitDiskCache, LinksDirectoriesAndPipesUnderAnEntrysNameAreMisses) {
  DiskCache cache(options());
  const CacheEntry entry = make_entry("a");
  ASSERT_TRUE(cache.store(make_entry("b")));
  fs::rename(path_of(make_entry("b")), temporary_.path() / "elsewhere");
  fs::create_symlink(temporary_.path() / "elsewhere", path_of(entry));
  EXPECT_FALSE(cache.find(entry.key));
  ASSERT_TRUE(cache.store(entry));
  EXPECT_TRUE(cache.find(entry.key));
  EXPECT_FALSE(fs::is_symlink(path_of(entry)));

  fs::remove(path_of(entry));
  ASSERT_EQ(::mkfifo(path_of(entry).c_str(), 0600), 0);
  EXPECT_FALSE(cache.find(entry.key));
  fs::remove(path_of(entry));
  fs::create_directory(path_of(entry));
  EXPECT_FALSE(cache.find(entry.key));
  EXPECT_EQ(warnings_.size(), 3u);
}

TEST_F(JitDiskCache, RefusesDirectoriesAndEntriesOfAnotherUser) {
  const CacheEntry entry = make_entry("a");
  ASSERT_TRUE(DiskCache(options()).store(entry));
  DiskCacheOptions as_another = options();
  as_another.user = ::geteuid() + 1;
  DiskCache cache(as_another);
  EXPECT_FALSE(cache.find(entry.key));
  EXPECT_FALSE(cache.store(entry));
  EXPECT_FALSE(cache.find(entry.key));
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("belongs to user")));

  // The directory is ours, one entry is not: needs the right to give files away.
  if (::geteuid() == 0) {
    warnings_.clear();
    DiskCache ours(options());
    ASSERT_EQ(::chown(path_of(entry).c_str(), 65534, 65534), 0);
    EXPECT_FALSE(ours.find(entry.key));
    EXPECT_THAT(warnings_, ElementsAre(HasSubstr("belongs to user 65534")));
    ASSERT_TRUE(ours.store(entry));
    EXPECT_TRUE(ours.find(entry.key));
  }
}

TEST_F(JitDiskCache, RefusesADirectoryThatOthersMayWriteTo) {
  DiskCache cache(options());
  const CacheEntry entry = make_entry("a");
  ASSERT_TRUE(cache.store(entry));
  fs::permissions(cache.kernels_path(), fs::perms::group_write, fs::perm_options::add);
  EXPECT_FALSE(cache.find(entry.key));
  EXPECT_FALSE(cache.store(entry));
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("chmod go-w")));
}

TEST_F(JitDiskCache, AnUnusableDirectoryGivesOneWarningAndNoError) {
  const fs::path file = temporary_.path() / "file";
  support::write_file_atomically(file, "in the way");
  for (const fs::path& place : {file, file / "below", fs::path("/proc/self/fathom")}) {
    warnings_.clear();
    DiskCacheOptions unusable = options();
    unusable.directory = place;
    DiskCache cache(unusable);
    const CacheEntry entry = make_entry("a");
    for (int call = 0; call < 3; ++call) {
      EXPECT_FALSE(cache.find(entry.key));
      EXPECT_FALSE(cache.store(entry));
    }
    EXPECT_EQ(warnings_.size(), 1u) << place;
    EXPECT_EQ(cache.problem().empty(), place.native().starts_with("/proc")) << cache.problem();
    EXPECT_THAT(warnings_[0], HasSubstr("FATHOM_CACHE_DIR"));
  }
}

TEST_F(JitDiskCache, AReadOnlyDirectoryStillServes) {
  const CacheEntry entry = make_entry("a");
  // In a child without root's privileges, for which permission bits do not count.
  ASSERT_EQ(::chmod(temporary_.path().c_str(), 0755), 0);
  fs::create_directories(directory_);
  for (const char* made : {"not", "not/yet", "not/yet/there"}) {
    ASSERT_EQ(::chmod((temporary_.path() / made).c_str(), 0755), 0);
    if (::geteuid() == 0) {
      ASSERT_EQ(::chown((temporary_.path() / made).c_str(), 65534, 65534), 0);
    }
  }
  const pid_t child = fathom::testing::start_child([&] {
    if (::geteuid() == 0 && ::setuid(65534) != 0) return 1;
    if (!DiskCache(options()).store(entry)) return 2;
    fs::permissions(directory_ / DiskCache::kSubdirectory, fs::perms{0500});
    DiskCache cache(options());
    if (!cache.find(entry.key)) return 3;
    if (cache.store(make_entry("b")) || cache.store(make_entry("c"))) return 4;
    if (warnings_.size() != 1) return 5;
    return warnings_[0].find("Permission denied") == std::string::npos ? 6 : 0;
  });
  EXPECT_TRUE(fathom::testing::ended_well(fathom::testing::wait_for(child)));
}

TEST_F(JitDiskCache, AReadOnlyLayerIsNeverChanged) {
  const CacheEntry entry = make_entry("a");
  ASSERT_TRUE(DiskCache(options()).store(entry));
  set_age(path_of(entry), 1'000'000);
  const auto before = fs::last_write_time(path_of(entry));
  DiskCacheOptions layer = options();
  layer.read_only = true;
  layer.limit_bytes = 1;
  DiskCache cache(layer);
  EXPECT_TRUE(cache.find(entry.key));
  EXPECT_FALSE(cache.store(make_entry("b")));
  EXPECT_EQ(fs::last_write_time(path_of(entry)), before);
  EXPECT_THAT(files(), ElementsAre(entry.key.file_name()));
  EXPECT_THAT(warnings_, IsEmpty());
}

// SIGXFSZ ends the writer in the middle of its write, at a byte that the limit sets.
TEST_F(JitDiskCache, AWriterKilledInMidWriteLeavesNoEntry) {
  const CacheEntry entry = make_entry("a", 200'000);
  const pid_t child = fathom::testing::start_child([&] {
    const struct rlimit limit { 100'000, 100'000 };
    const struct rlimit no_core { 0, 0 };
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0 || ::setrlimit(RLIMIT_CORE, &no_core) != 0) return 1;
    DiskCache(options()).store(entry);
    return 2;
  });
  const int status = fathom::testing::wait_for(child);
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ) << status;
  const std::vector<std::string> left = files();
  ASSERT_EQ(left.size(), 1u);
  EXPECT_THAT(left[0], HasSubstr(".tmp-"));

  DiskCache cache(options());
  EXPECT_FALSE(cache.find(entry.key));
  EXPECT_THAT(warnings_, IsEmpty());
  ASSERT_TRUE(cache.store(entry));
  EXPECT_TRUE(cache.find(entry.key));
  EXPECT_EQ(files().size(), 2u) << "a fresh temporary file may be another process's work";
  set_age(cache.kernels_path() / left[0], 2 * 3600);
  ASSERT_TRUE(cache.store(make_entry("b")));
  for (const std::string& name : files()) EXPECT_FALSE(name.starts_with(".tmp-")) << name;
}

TEST_F(JitDiskCache, AFullDiskKeepsNothingAndSaysSoOnce) {
  const pid_t child = fathom::testing::start_child([&] {
    const struct rlimit limit { 100'000, 100'000 };
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 1;
    ::signal(SIGXFSZ, SIG_IGN);  // write then gives EFBIG
    DiskCache cache(options());
    if (cache.store(make_entry("a", 200'000))) return 2;
    if (cache.store(make_entry("b", 200'000))) return 3;
    if (!files().empty()) return 4;
    return warnings_.size() == 1 ? 0 : 5;
  });
  EXPECT_EQ(WEXITSTATUS(fathom::testing::wait_for(child)), 0);
}

TEST_F(JitDiskCache, WritersKilledAtAnyMomentLeaveWholeEntries) {
  std::uint32_t delay =
      1;  // microseconds; grows, so that the kills land all over the life of a store
  for (int round = 0; round < 24; ++round, delay = delay * 3 / 2 + 1) {
    const pid_t child = fathom::testing::start_child([&] {
      DiskCache cache(options());
      for (;;) cache.store(make_entry("a", 1'000'000));
      return 0;
    });
    ::usleep(delay);
    ::kill(child, SIGKILL);
    fathom::testing::wait_for(child);
  }
  DiskCache cache(options());
  for (const DiskCache::File& file : cache.list()) {
    EXPECT_TRUE(file.entry) << file.path << ": " << file.problem;
  }
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(JitDiskCache, RemovesTheLeastRecentlyUsedBeyondTheLimit) {
  DiskCacheOptions limited = options();
  const auto size = static_cast<std::int64_t>(encode_entry(make_entry("a", 10'000)).size());
  limited.limit_bytes = 3 * size;
  DiskCache cache(limited);
  const std::vector<std::string> names = {"a", "b", "c"};
  std::int64_t age = 50'000;
  for (const std::string& name : names) {
    ASSERT_TRUE(cache.store(make_entry(name, 10'000)));
    set_age(path_of(make_entry(name, 10'000)), age -= 10'000);
  }
  EXPECT_TRUE(cache.find(make_entry("a", 10'000).key));  // now the youngest
  ASSERT_TRUE(cache.store(make_entry("d", 10'000)));
  EXPECT_FALSE(cache.find(make_entry("b", 10'000).key));
  for (const char* kept : {"a", "c", "d"}) {
    EXPECT_TRUE(cache.find(make_entry(kept, 10'000).key)) << kept;
  }
  EXPECT_EQ(files().size(), 3u);
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(JitDiskCache, WithoutACompilerAnyCompilersWorkServes) {
  DiskCache cache(options());
  const CacheEntry twelve = make_entry("a", 100, "nvrtc 12.9", 12);
  const CacheEntry thirteen = make_entry("a", 100, "nvrtc 13.0", 13);
  ASSERT_EQ(twelve.key.text, thirteen.key.text);
  ASSERT_TRUE(cache.store(twelve));
  ASSERT_TRUE(cache.store(thirteen));
  ASSERT_TRUE(cache.store(make_entry("b")));
  EXPECT_EQ(cache.find_by_text(twelve.key.text, 0)->compiler, "nvrtc 13.0");
  EXPECT_EQ(cache.find_by_text(twelve.key.text, 12)->compiler, "nvrtc 12.9");
  EXPECT_FALSE(cache.find_by_text(twelve.key.text, 11));
  EXPECT_FALSE(cache.find_by_text(std::string(32, '0'), 0));
}

TEST_F(JitDiskCache, ListsAndClears) {
  DiskCache cache(options());
  EXPECT_THAT(cache.list(), IsEmpty());
  EXPECT_EQ(cache.clear(), 0);
  ASSERT_TRUE(cache.store(make_entry("a")));
  ASSERT_TRUE(cache.store(make_entry("b")));
  overwrite(path_of(make_entry("b")), 300, '!');
  set_age(path_of(make_entry("a")), 100'000);
  const std::vector<DiskCache::File> listed = cache.list();
  ASSERT_EQ(listed.size(), 2u);
  const bool a_first = listed[0].entry.has_value();
  EXPECT_EQ(listed[a_first ? 0 : 1].entry->name, "a");
  EXPECT_NEAR(static_cast<double>(listed[a_first ? 0 : 1].used_seconds_ago), 100'000, 100);
  EXPECT_THAT(listed[a_first ? 1 : 0].problem, HasSubstr("checksum"));
  EXPECT_NEAR(static_cast<double>(cache.list()[a_first ? 0 : 1].used_seconds_ago), 100'000, 100)
      << "listing is no use";
  EXPECT_EQ(cache.clear(), 2);
  EXPECT_THAT(cache.list(), IsEmpty());
}

}  // namespace
}  // namespace fathom::jit
