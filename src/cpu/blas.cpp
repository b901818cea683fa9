// Finding and calling OpenBLAS. See blas.hpp.
#include "cpu/blas.hpp"

#include <fmt/format.h>

#include <array>
#include <map>
#include <sstream>
#include <utility>

#include <fathom/error.hpp>

#include "support/shared_library.hpp"

namespace fathom::cpu {
namespace {

// cblas.h's numbers (CBLAS_ORDER, CBLAS_TRANSPOSE): the C interface of BLAS fixes them.
constexpr int kRowMajor = 101;
constexpr int kNoTranspose = 111;
constexpr int kTranspose = 112;

/// Debian and Ubuntu's libopenblas0-*, then the name that a source build gives, then the PyPI wheel
/// scipy-openblas32 where its folder is on the loader's path.
constexpr std::array kNames{"libopenblas.so.0", "libopenblas.so", "libscipy_openblas.so"};

/// Where that wheel puts it.
constexpr const char* kWheelFile = "/scipy_openblas32/lib/libscipy_openblas.so";

/// PyPI's build puts this before every symbol.
constexpr std::array kPrefixes{"", "scipy_"};

using SetNumThreads = void(int);

/// OpenBLAS has one number of threads for the process, whichever Blas asks.
struct Threads {
  int users = 0;  ///< OneThread objects that live
  int before = 0;
};
std::mutex threads_mutex;
/// By library. Never destroyed: a thread may compute while the process ends.
std::map<SetNumThreads*, Threads>& threads = *new std::map<SetNumThreads*, Threads>;

}  // namespace

Blas::Blas(std::string path, std::string site_packages)
    : path_(std::move(path)), site_packages_(std::move(site_packages)) {}

std::vector<std::string> Blas::candidates() const {
  if (!path_.empty()) return {path_};
  std::vector<std::string> files;
  std::istringstream directories(site_packages_);
  for (std::string directory; std::getline(directories, directory, ':');) {
    if (!directory.empty()) files.push_back(directory + kWheelFile);
  }
  files.insert(files.end(), kNames.begin(), kNames.end());
  return files;
}

bool Blas::try_file(const std::string& file, std::string& tried) {
  std::string why;
  const auto library = support::SharedLibrary::open(file, why);
  if (!library) {
    tried += "\n  " + why;
    return false;
  }
  for (const std::string prefix : kPrefixes) {
    sgemm_ = library->function<Sgemm>((prefix + "cblas_sgemm").c_str());
    set_num_threads_ = library->function<void(int)>((prefix + "openblas_set_num_threads").c_str());
    get_num_threads_ = library->function<int()>((prefix + "openblas_get_num_threads").c_str());
    if (sgemm_ != nullptr && set_num_threads_ != nullptr && get_num_threads_ != nullptr) {
      library_ = file;
      return true;
    }
  }
  tried += fmt::format(
      "\n  {}: holds no cblas_sgemm with openblas_set_num_threads, so it is no OpenBLAS", file);
  return false;
}

void Blas::load() {
  const std::lock_guard lock(mutex_);
  if (!library_.empty()) return;
  std::string tried;
  for (const std::string& file : candidates()) {
    if (try_file(file, tried)) return;
  }
  throw Error(
      ErrorCode::kUnsupported,
      fmt::format(
          "gemm on the CPU needs OpenBLAS, and none could be loaded; tried:{}\nInstall Debian's or "
          "Ubuntu's libopenblas0-pthread, or PyPI's scipy-openblas32 and name its "
          "libscipy_openblas.so in "
          "FATHOM_OPENBLAS (ContextOptions.openblas)",
          tried));
}

std::string Blas::library() const {
  const std::lock_guard lock(mutex_);
  return library_;
}

Blas::OneThread::OneThread(Blas& blas) : blas_(blas) {
  blas_.load();
  const std::lock_guard lock(threads_mutex);
  Threads& of_library = threads[blas_.set_num_threads_];
  if (of_library.users++ > 0) return;
  of_library.before = blas_.get_num_threads_();
  if (of_library.before != 1) blas_.set_num_threads_(1);
}

Blas::OneThread::~OneThread() {
  const std::lock_guard lock(threads_mutex);
  Threads& of_library = threads[blas_.set_num_threads_];
  if (--of_library.users > 0) return;
  if (of_library.before != 1) blas_.set_num_threads_(of_library.before);
}

void Blas::multiply(std::int64_t m, std::int64_t n, std::int64_t k, Matrix a, Matrix b, float beta,
                    Matrix c) const {
  sgemm_(kRowMajor, kNoTranspose, kTranspose, static_cast<int>(m), static_cast<int>(n),
         static_cast<int>(k), 1.0f, a.data, static_cast<int>(a.pitch), b.data,
         static_cast<int>(b.pitch), beta, c.data, static_cast<int>(c.pitch));
}

}  // namespace fathom::cpu
