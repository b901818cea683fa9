/* FP8 in three calls: quantise the activations, quantise the weights, multiply. */
#include <fathom/c_api.h>
#include <stdio.h>

enum { M = 4, N = 256, K = 512 };
static float x[M * K], w[N * K], scale_x[M * K / 128], scale_w[N / 128 * K / 128];
static _Alignas(16) unsigned char x_fp8[M * K], w_fp8[N * K];
static _Alignas(16) float d[M * N];

int main(void) {
  for (int i = 0; i < M * K; ++i) x[i] = 0.5f;
  for (int i = 0; i < N * K; ++i) w[i] = 2.0f;
  fathom_quantize_args cast_x = {.struct_size = sizeof cast_x,
                                 .x = fathom_matrix(x, FATHOM_FP32, M, K, 0),
                                 .q = fathom_matrix(x_fp8, FATHOM_E4M3, M, K, 0),
                                 .scale = fathom_matrix(scale_x, FATHOM_FP32, M, K / 128, 0)};
  fathom_quantize_args cast_w = {.struct_size = sizeof cast_w,
                                 .x = fathom_matrix(w, FATHOM_FP32, N, K, 0),
                                 .q = fathom_matrix(w_fp8, FATHOM_E4M3, N, K, 0),
                                 .scale = fathom_matrix(scale_w, FATHOM_FP32, N / 128, K / 128, 0),
                                 .block = FATHOM_BLOCK_128X128};
  fathom_gemm_args product = {.struct_size = sizeof product,
                              .a = cast_x.q,
                              .scale_a = cast_x.scale,
                              .b = cast_w.q,
                              .scale_b = cast_w.scale,
                              .d = fathom_matrix(d, FATHOM_FP32, M, N, 0)};
  fathom_context* context = NULL;
  if (fathom_context_from_env(NULL, &context) || fathom_quantize(context, &cast_x, NULL) ||
      fathom_quantize(context, &cast_w, NULL) || fathom_gemm(context, &product, NULL)) {
    fprintf(stderr, "%s\n", fathom_last_error_message());
    return 1;
  }
  printf("d[0, 0] = %g, in exact arithmetic %g\n", d[0], 0.5 * 2.0 * K);
  fathom_context_destroy(context);
  return 0;
}
