// OpenBLAS, loaded at the first product and not before. CPU backend; nothing else of the library
// calls BLAS.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

namespace fathom::cpu {

/// A row-major FP32 matrix in memory of the caller.
struct Matrix {
  float* data;
  std::int64_t pitch;
};

/// Thread-safe. Products are computed on the calling thread alone.
class Blas {
 public:
  /// `path` = ContextOptions.openblas: the only file tried, or empty to search: PyPI's
  /// scipy-openblas32 in `site_packages` (directories with ':' between them), then the system's.
  /// Opens nothing.
  explicit Blas(std::string path = {}, std::string site_packages = {});
  Blas(const Blas&) = delete;
  Blas& operator=(const Blas&) = delete;

  /// Loads the library when that has not happened yet. Throws Error(kUnsupported) that lists the
  /// files tried and the packages that hold them.
  void load();
  /// The file that was loaded; empty before load().
  std::string library() const;

  /// While one lives, OpenBLAS uses no threads of its own; the last one of the process gives it its
  /// setting back. Loads.
  class OneThread {
   public:
    explicit OneThread(Blas& blas);
    ~OneThread();
    OneThread(const OneThread&) = delete;
    OneThread& operator=(const OneThread&) = delete;

   private:
    Blas& blas_;
  };

  /// c[m, n] = a[m, k] * b[n, k]^T, or c += with `beta` 1. Call it inside the life of a OneThread.
  void multiply(std::int64_t m, std::int64_t n, std::int64_t k, Matrix a, Matrix b, float beta,
                Matrix c) const;

 private:
  using Sgemm = void(int order, int trans_a, int trans_b, int m, int n, int k, float alpha,
                     const float* a, int lda, const float* b, int ldb, float beta, float* c,
                     int ldc);
  bool try_file(const std::string& file, std::string& tried);

  std::vector<std::string> candidates() const;

  std::string path_;
  std::string site_packages_;
  mutable std::mutex mutex_;
  std::string library_;
  Sgemm* sgemm_ = nullptr;
  void (*set_num_threads_)(int) = nullptr;
  int (*get_num_threads_)() = nullptr;
};

}  // namespace fathom::cpu
