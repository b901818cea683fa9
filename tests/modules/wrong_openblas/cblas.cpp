// An OpenBLAS whose products are wrong in one element: with it a test sees `fathom verify` fail.
// Test module.
#include <cstdint>

extern "C" {

__attribute__((visibility("default"))) void openblas_set_num_threads(int) {}
__attribute__((visibility("default"))) int openblas_get_num_threads() {
  return 1;
}

/// c = beta * c + a * b^T, row-major: the one form that the library asks for. c[0] gets too much.
__attribute__((visibility("default"))) void cblas_sgemm(int, int, int, int m, int n, int k, float,
                                                        const float* a, int lda, const float* b,
                                                        int ldb, float beta, float* c, int ldc) {
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      float sum = beta == 0.0f ? 0.0f : beta * c[i * ldc + j];
      for (std::int64_t l = 0; l < k; ++l) sum += a[i * lda + l] * b[j * ldb + l];
      c[i * ldc + j] = sum;
    }
  }
  c[0] += 1000.0f;
}
}
