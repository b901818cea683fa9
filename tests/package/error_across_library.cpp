// An exception of the library is caught by its type on the other side of the library's edge.
#include <cstdio>
#include <cstring>
#include <fathom/gemm.hpp>

int main() {
  try {
    fathom::gemm(fathom::Context(), fathom::GemmOperands{});
  } catch (const fathom::Error& error) {
    std::printf("%s\n", error.what());
    return error.code() == fathom::ErrorCode::kInvalidArgument ? 0 : 1;
  }
  return 1;
}
