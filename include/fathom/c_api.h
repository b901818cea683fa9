/* Fathom for C, Rust, Python and whatever else calls C: the operations of gemm.hpp, quantize.hpp
   and balance.hpp over a stable ABI. Public layer; C99.

   Errors. Every function that can fail returns a fathom_status; FATHOM_OK is 0. After a failure
   fathom_last_error_message() tells what was being done, what was got, what is needed and what to
   try. Output arguments are written on success only. No C++ exception leaves any function, and none
   may leave a callback.

   Handles are opaque. Each has a function that destroys it and accepts NULL. They may be used from
   any number of threads at once, but not while or after they are destroyed.

   Structs that may grow start with struct_size: the sizeof of the struct as you compiled it. What
   you leave zero is the default:

     fathom_gemm_args args = {.struct_size = sizeof args};

   A library that is newer than your header takes members that you do not have as zero; one that is
   older refuses members that it does not have unless they are zero.

   Strings are UTF-8 and end with NUL. Strides count elements.

   FATHOM_ABI_VERSION grows only when something here changes its meaning or goes away; additions
   leave it. Compare it with fathom_abi_version() when you load the library at run time. */
#ifndef FATHOM_C_API_H_
#define FATHOM_C_API_H_

#include <fathom/export.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FATHOM_ABI_VERSION 1

/* ---------------------------------------------------------------------------------------------- */
/* Errors and versions */

/* What a function returns: FATHOM_OK, or why it could not do its work. */
typedef int32_t fathom_status;
enum {
  FATHOM_OK = 0,
  /* Shapes, types, strides, alignment, metadata: the caller can mend it. */
  FATHOM_INVALID_ARGUMENT = 1,
  /* Legal, but not on this device or build; the message carries the reason. */
  FATHOM_UNSUPPORTED = 2,
  /* The run-time compiler refused the source or was not found. */
  FATHOM_COMPILE_FAILED = 3,
  /* A CUDA driver call failed. */
  FATHOM_DRIVER = 4,
  /* The kernel cache could not be used and nothing else would do. */
  FATHOM_CACHE = 5,
  /* A file is missing, unwritable or full. */
  FATHOM_IO = 6,
  /* Out of memory, or a defect of this library: please report the message. */
  FATHOM_INTERNAL = 7,
  /* No CUDA driver or no CUDA device on this machine. */
  FATHOM_NO_DEVICE = 8
};

/* "ok", "invalid_argument", "unsupported", ...; "unknown" for other values. Lives forever. */
FATHOM_API const char* fathom_status_name(fathom_status status);

/* The last failure on the calling thread. A call that succeeds leaves it as it is. The message
   lives until the next call that fails on this thread; "" and FATHOM_OK before the first. */
FATHOM_API const char* fathom_last_error_message(void);
FATHOM_API fathom_status fathom_last_error_status(void);

/* FATHOM_ABI_VERSION as the library was built with it. */
FATHOM_API int32_t fathom_abi_version(void);
/* "1.2.3". Lives forever. */
FATHOM_API const char* fathom_version(void);
/* The commit the library was built from, "-dirty" when the tree had changes, or "unknown". */
FATHOM_API const char* fathom_commit(void);

/* ---------------------------------------------------------------------------------------------- */
/* Tensors */

/* Values of fathom_tensor.dtype. E4M3 is FP8 with 4 exponent and 3 mantissa bits, no infinity, NaN
   = S.1111.111 and 448 as its largest number. */
enum {
  FATHOM_E4M3 = 1,
  FATHOM_BF16 = 2,
  FATHOM_FP16 = 3,
  FATHOM_FP32 = 4,
  FATHOM_FP64 = 5,
  FATHOM_INT32 = 6,
  FATHOM_INT64 = 7
};

/* Values of fathom_tensor.device_type. */
enum { FATHOM_CPU = 1, FATHOM_CUDA = 2 };

#define FATHOM_MAX_RANK 4

/* A strided view of memory that you own. All zero = no tensor. This struct never changes. */
typedef struct fathom_tensor {
  void* data;                      /* may be NULL when the tensor has no elements */
  int32_t dtype;                   /* FATHOM_E4M3, ... */
  int32_t device_type;             /* FATHOM_CPU or FATHOM_CUDA */
  int32_t device_index;            /* counts CUDA devices; 0 for the CPU */
  int32_t rank;                    /* dimensions; 0 = no tensor */
  int64_t shape[FATHOM_MAX_RANK];  /* extents, outermost first */
  int64_t stride[FATHOM_MAX_RANK]; /* elements between neighbours along each dimension */
} fathom_tensor;

/* These four make views of CPU memory; for a CUDA tensor set device_type and device_index after.
   [size], contiguous. */
FATHOM_API fathom_tensor fathom_vector(const void* data, int32_t dtype, int64_t size);
/* [rows, cols], rows of `pitch` elements (0 = cols). */
FATHOM_API fathom_tensor fathom_matrix(const void* data, int32_t dtype, int64_t rows, int64_t cols,
                                       int64_t pitch);
/* [batch, rows, cols], rows of `pitch` elements (0 = cols), batches of `batch_stride` (0 = rows *
   pitch). */
FATHOM_API fathom_tensor fathom_batch(const void* data, int32_t dtype, int64_t batch, int64_t rows,
                                      int64_t cols, int64_t pitch, int64_t batch_stride);
/* The same elements with the last two dimensions exchanged. */
FATHOM_API fathom_tensor fathom_transposed(fathom_tensor tensor);

/* ---------------------------------------------------------------------------------------------- */
/* Context: what calls share. Creating one starts no thread, opens no file, touches no GPU. */

typedef struct fathom_context fathom_context;

/* Levels of the log. */
enum {
  FATHOM_LOG_OFF = 0,
  FATHOM_LOG_ERROR = 1,
  FATHOM_LOG_WARNING = 2,
  FATHOM_LOG_INFO = 3,
  FATHOM_LOG_DEBUG = 4
};

/* Called for each message at or under the chosen level, from any thread, one call at a time.
   `message` lives until it returns. It may call the library. */
typedef void (*fathom_log_callback)(void* user_data, int32_t level, const char* message);

/* Each member has the meaning of the environment variable named beside it (docs/environment.md). */
typedef struct fathom_context_options {
  size_t struct_size;
  /* FATHOM_NUM_THREADS: cores for the CPU backend; 0 = all that the process may use. */
  int32_t num_threads;
  /* FATHOM_LOG: FATHOM_LOG_OFF, ... */
  int32_t log_level;
  /* NULL = messages go nowhere; where FATHOM_LOG is set and read, to standard error. */
  fathom_log_callback log;
  void* log_user_data;
  /* FATHOM_CACHE_DIR; NULL = $XDG_CACHE_HOME/fathom, else $HOME/.cache/fathom. */
  const char* cache_dir;
  /* FATHOM_SYSTEM_CACHE_DIR: a cache that is only read; NULL = none. */
  const char* system_cache_dir;
  /* FATHOM_CACHE_LIMIT_MIB; 0 = 1024, negative = no limit. */
  int64_t cache_limit_mib;
  /* FATHOM_COMPILER: "nvrtc", "nvcc", "none"; NULL = "nvrtc". */
  const char* compiler;
  /* FATHOM_LIBCUDA: the driver library; NULL = libcuda.so.1. */
  const char* libcuda;
  /* FATHOM_NVRTC: libnvrtc or its directory; NULL = searched. */
  const char* nvrtc;
  /* FATHOM_OPENBLAS: the CPU matrix product; NULL = searched. */
  const char* openblas;
  /* FATHOM_SITE_PACKAGES: directories of Python packages, ':' between them, where the wheels of the
     run-time compiler and of OpenBLAS are looked for first; NULL = none. */
  const char* site_packages;
  /* FATHOM_LINE_INFO: nonzero = kernels carry the source lines that profilers show. */
  int32_t line_info;
  /* Zero. */
  int32_t reserved;
} fathom_context_options;

/* A context that depends on no FATHOM_ variable. `options` may be NULL: all defaults. Strings of
   options are copied. */
FATHOM_API fathom_status fathom_context_create(const fathom_context_options* options,
                                               fathom_context** context);
/* A context as the environment asks for, read now and never again; members of `overrides` (which
   may be NULL) that are not zero come before it. */
FATHOM_API fathom_status fathom_context_from_env(const fathom_context_options* overrides,
                                                 fathom_context** context);
/* Plans made from the context keep working. */
FATHOM_API void fathom_context_destroy(fathom_context* context);

/* ---------------------------------------------------------------------------------------------- */
/* gemm and grouped_gemm: FP8 matrix multiplication with fine-grained scaling

   D = sum over blocks b of 128 along k:  (scale_a[row, b] * scale_b[col, b]) * (A_b * B_b^T), in
   FP32, b ascending. K' = ceil(k / 128), N' = ceil(n / 128); m >= 0, k >= 0, n >= 1, G >= 1, each
   at most 2^31 - 1. */

/* Values of backend. */
enum {
  FATHOM_BACKEND_AUTO = 0,
  FATHOM_BACKEND_CPU = 1,
  FATHOM_BACKEND_CUDA = 2,
  FATHOM_BACKEND_REFERENCE = 3
};

/* Values of group_form: what group_index is. It lies where the operands lie and its contents may
   change between launches. */
enum {
  /* The dense product. */
  FATHOM_GROUPS_NONE = 0,
  /* offsets [G + 1], int32 or int64: rows [offsets[g], offsets[g + 1]) are group g. */
  FATHOM_GROUPS_OFFSETS = 1,
  /* row_group [m], int32: the group of each row, -1 = nobody's. */
  FATHOM_GROUPS_ROW_GROUP = 2,
  /* group_end [G], int32: exclusive ends; starts rounded up to group_alignment. */
  FATHOM_GROUPS_GROUP_END = 3,
  /* rows [G], int32: the first rows[g] of the max_m rows of group g. */
  FATHOM_GROUPS_MASKED = 4
};

/* Bits of flags; GemmOptions in gemm.hpp tells more of each. */

/* D += instead of D =. D must be fp32; dense only. */
#define FATHOM_GEMM_ACCUMULATE ((uint64_t)1)
/* The bits of a row depend neither on m, nor on other rows, nor on the tile. */
#define FATHOM_GEMM_BATCH_INVARIANT ((uint64_t)2)
/* ROW_GROUP: store zeros to rows of -1 instead of leaving them untouched. */
#define FATHOM_GEMM_ZERO_PADDING ((uint64_t)4)
/* CUDA: start while the previous kernel of the stream still runs. */
#define FATHOM_GEMM_PROGRAMMATIC_LAUNCH ((uint64_t)8)
/* With PROGRAMMATIC_LAUNCH: the previous kernel writes neither b nor scale_b. */
#define FATHOM_GEMM_WEIGHTS_CONSTANT ((uint64_t)16)
/* CUDA: check group_index on the host at each launch, which synchronises. */
#define FATHOM_GEMM_CHECK_METADATA ((uint64_t)32)

/* a, b and d: last dimension contiguous, base and pitches multiples of 16 bytes. Scales: either of
   the last two dimensions contiguous; scale_a is read fastest with m contiguous, base and pitch
   multiples of 16 bytes. All on one device; d overlaps no other. */
typedef struct fathom_gemm_args {
  size_t struct_size;
  /* e4m3 [m, k]; MASKED: [G, max_m, k]. */
  fathom_tensor a;
  /* fp32 [m, K']; MASKED: [G, max_m, K']. */
  fathom_tensor scale_a;
  /* e4m3 [n, k]; grouped: [G, n, k]. */
  fathom_tensor b;
  /* fp32 [N', K'], one scale a 128 x 128 block, or [n, K'], one a row and 128 of k; grouped: with a
     leading G. */
  fathom_tensor scale_b;
  /* Written. bf16 or (dense only) fp32 [m, n]; MASKED: bf16 [G, max_m, n]. */
  fathom_tensor d;
  /* By group_form; none for the dense product. */
  fathom_tensor group_index;
  /* FATHOM_GROUPS_NONE, ... */
  int32_t group_form;
  /* FATHOM_BACKEND_AUTO, ... */
  int32_t backend;
  /* ROW_GROUP, GROUP_END: 16, 32, 64, 128 or 256 rows; 0 = 128. */
  int64_t group_alignment;
  /* A hint: rows expected in a group; 0 = unknown. */
  int64_t expected_m;
  /* FATHOM_GEMM_... */
  uint64_t flags;
  /* CUDA: streaming multiprocessors that the call may use; 0 = all. */
  int32_t max_sms;
  /* Zero. */
  int32_t reserved;
  /* The tag of a config to use; NULL or "" = planned. Copied. */
  const char* config;
} fathom_gemm_args;

/* The dense product in one call. `stream` is a CUstream (NULL = the default stream); the CPU
   backends ignore it and return when D is written. Bad input is refused before D is touched. */
FATHOM_API fathom_status fathom_gemm(fathom_context* context, const fathom_gemm_args* args,
                                     void* stream);
/* The same for grouped operands: args->group_form must not be FATHOM_GROUPS_NONE. */
FATHOM_API fathom_status fathom_grouped_gemm(fathom_context* context, const fathom_gemm_args* args,
                                             void* stream);

/* Why this call, dense or grouped, would be refused: *reason = NULL when it would run, else a text
   that lives until the next call of this function on this thread. Reads shapes and pointers, no
   tensor data. A call that would be refused is no failure of this function. */
FATHOM_API fathom_status fathom_gemm_can_implement(fathom_context* context,
                                                   const fathom_gemm_args* args,
                                                   const char** reason);

/* A call checked, planned, compiled and bound once, to be launched as often as the operands'
   contents change. Keeps what it needs of the context; the memory of the operands stays yours. */
typedef struct fathom_gemm_plan fathom_gemm_plan;

FATHOM_API fathom_status fathom_gemm_plan_create(fathom_context* context,
                                                 const fathom_gemm_args* args,
                                                 fathom_gemm_plan** plan);
/* On the CUDA backend a launch allocates nothing, synchronises nothing and loads nothing. */
FATHOM_API fathom_status fathom_gemm_plan_launch(const fathom_gemm_plan* plan, void* stream);
/* FATHOM_BACKEND_CPU, _CUDA or _REFERENCE. */
FATHOM_API fathom_status fathom_gemm_plan_backend(const fathom_gemm_plan* plan, int32_t* backend);
/* The tag of the config that runs. Lives as long as the plan. */
FATHOM_API fathom_status fathom_gemm_plan_config(const fathom_gemm_plan* plan, const char** config);
/* The plan as a JSON object: problem, backend, config, why. Lives as long as the plan. */
FATHOM_API fathom_status fathom_gemm_plan_explain(const fathom_gemm_plan* plan, const char** json);
FATHOM_API void fathom_gemm_plan_destroy(fathom_gemm_plan* plan);

/* What fathom_gemm_plan_explain would give on a GPU that need not be in this machine: "h200",
   "h100", "h800", "h20" or "gh200". Reads shapes, strides and the alignment of pointers, no data.
   The text lives until the next call of this function on this thread. */
FATHOM_API fathom_status fathom_gemm_explain(const fathom_gemm_args* args, const char* device,
                                             const char** json);

/* The calls of one weight matrix, or of one set of experts: all that the choice of a GPU kernel
   depends on, with m from min_m to max_m. */
typedef struct fathom_gemm_range {
  size_t struct_size;
  int64_t n;
  int64_t k;
  /* 0 = 1. */
  int64_t num_groups;
  /* Dense: rows of a. OFFSETS, ROW_GROUP, GROUP_END: rows of a, or expected_m * num_groups where
     calls give that hint and it is less. MASKED: rows expected in a group, which is max_m without a
     hint. */
  int64_t min_m;
  int64_t max_m;
  /* ROW_GROUP, GROUP_END; 0 = 128. */
  int64_t group_alignment;
  /* FATHOM_GROUPS_NONE, ... */
  int32_t group_form;
  /* Type of d: FATHOM_BF16 or FATHOM_FP32; 0 = FATHOM_BF16. */
  int32_t d_dtype;
  /* What a scale of b covers: FATHOM_BLOCK_128X128 or FATHOM_BLOCK_1X128; 0 = 128X128. */
  int32_t scale_b_block;
  /* 0 = all. */
  int32_t max_sms;
  /* FATHOM_GEMM_BATCH_INVARIANT or 0. */
  uint64_t flags;
  /* As fathom_gemm_explain; NULL or "" = the GPU of this machine, an H200 where there is none. */
  const char* device;
} fathom_gemm_range;

/* The tags of every config that is chosen for a call in the range, each once: what fathom_compile
   has to build so that none of them compiles later. Needs no GPU. The list lives until the next
   call of this function on this thread. */
FATHOM_API fathom_status fathom_gemm_configs(fathom_context* context,
                                             const fathom_gemm_range* range,
                                             const char* const** configs, int64_t* count);

/* ---------------------------------------------------------------------------------------------- */
/* compile: GPU kernels before the first call that needs them */

/* The tags of all kernels of every family. Lives forever. */
FATHOM_API fathom_status fathom_all_configs(const char* const** configs, int64_t* count);

/* Called after each kernel, from any thread, one call at a time. A nonzero return value stops:
   fathom_compile fails with FATHOM_COMPILE_FAILED, and what is done stays in the cache. */
typedef int32_t (*fathom_compile_progress)(void* user_data, int64_t done, int64_t total);

typedef struct fathom_compile_args {
  size_t struct_size;
  /* Tags; NULL with num_configs 0 = all kernels of every family. */
  const char* const* configs;
  int64_t num_configs;
  /* NULL = none. */
  fathom_compile_progress progress;
  void* progress_user_data;
  /* Kernels compiled at once; 0 = as many as the context has threads. */
  int32_t jobs;
  /* Zero. */
  int32_t reserved;
} fathom_compile_args;

/* Makes these kernels: from the cache, or compiled and put there. Needs no GPU; on a machine with
   one, calls through this context find them in memory. *json (json may be NULL) is an object
   {"kernels": [{"config", "name", "bytes", "registers", "spill_bytes", "ms", "cached",
   "on_disk"}]}, in the order of the tags; it lives until the next call of this function on this
   thread. */
FATHOM_API fathom_status fathom_compile(fathom_context* context, const fathom_compile_args* args,
                                        const char** json);

/* ---------------------------------------------------------------------------------------------- */
/* quantize and dequantize: casts between floating point and FP8 with fine-grained scales

   scale = max(amax, 1e-4) / 448 over each block; q = x / scale, rounded to nearest even,
   saturating. */

/* Values of block. */
enum {
  /* q [rows, cols], scale [rows, ceil(cols / 128)]. */
  FATHOM_BLOCK_1X128 = 1,
  /* q [rows, cols], scale [ceil(rows / 128), ceil(cols / 128)]. */
  FATHOM_BLOCK_128X128 = 2,
  /* The 1x128 cast of the transpose: q [cols, rows], scale [cols, ceil(rows / 128)]. */
  FATHOM_BLOCK_1X128_TRANSPOSED = 3
};

/* Bits of flags. */

/* Round each scale up to a power of two. */
#define FATHOM_QUANTIZE_POWER_OF_TWO_SCALES ((uint64_t)1)

typedef struct fathom_quantize_args {
  size_t struct_size;
  /* [rows, cols]. quantize reads bf16, fp16 or fp32; dequantize writes bf16 or fp32. */
  fathom_tensor x;
  /* e4m3, by block. */
  fathom_tensor q;
  /* fp32, by block; either dimension contiguous. */
  fathom_tensor scale;
  /* FATHOM_BLOCK_1X128, ...; 0 = FATHOM_BLOCK_1X128. */
  int32_t block;
  /* FATHOM_BACKEND_AUTO, ... */
  int32_t backend;
  /* quantize: FATHOM_QUANTIZE_...; dequantize: 0. */
  uint64_t flags;
} fathom_quantize_args;

/* Writes q and scale. */
FATHOM_API fathom_status fathom_quantize(fathom_context* context, const fathom_quantize_args* args,
                                         void* stream);
/* x = q * scale in fp32. Writes x. */
FATHOM_API fathom_status fathom_dequantize(fathom_context* context,
                                           const fathom_quantize_args* args, void* stream);

/* Copies fp32 scales [rows, blocks of 128], or [G, rows, blocks of 128], into another order: `to`
   has the shape of `from` and strides of its own. With rows contiguous and a pitch that is a
   multiple of 4, gemm reads them fastest. `backend` is FATHOM_BACKEND_AUTO, ... */
FATHOM_API fathom_status fathom_copy_scales(fathom_context* context, const fathom_tensor* from,
                                            const fathom_tensor* to, int32_t backend, void* stream);

/* ---------------------------------------------------------------------------------------------- */
/* balance: which expert lives on which GPU, and which experts get replicas (docs/balance.md). Needs
   no context and no GPU. */

/* Values of policy. */
enum { FATHOM_BALANCE_PUBLISHED = 1, FATHOM_BALANCE_BETTER = 2 };

/* Bits of flags. */

/* max_moves counts, 0 included. */
#define FATHOM_BALANCE_LIMIT_MOVES ((uint64_t)1)

typedef struct fathom_balance_args {
  size_t struct_size;
  /* [layers, experts], row after row: finite loads, none negative. */
  const float* loads;
  int64_t layers;
  int64_t experts;
  /* Slots of all GPUs together. */
  int64_t num_replicas;
  /* 0 = 1, each of these three. */
  int64_t num_groups;
  int64_t num_nodes;
  int64_t num_gpus;
  /* [num_gpus]; NULL = the same number on each. */
  const int64_t* slots_per_gpu;
  /* [num_gpus]; NULL = all equal. */
  const double* gpu_speed;
  /* The placement in use, [layers, num_replicas]; NULL = none. */
  const int64_t* current;
  /* With FATHOM_BALANCE_LIMIT_MOVES: most experts of a layer that come to a GPU without them. */
  int64_t max_moves;
  /* 0 = 0.04; negative = only the first plan of each layer. */
  double time_budget_s;
  /* FATHOM_BALANCE_...; 0 = FATHOM_BALANCE_BETTER. */
  int32_t policy;
  /* Zero. */
  int32_t reserved;
  uint64_t flags;
} fathom_balance_args;

/* How good a layer's placement is. */
typedef struct fathom_balance_report {
  size_t struct_size;
  double max_load;
  double mean_load;
  /* No placement that the call allows has a lower max_load. */
  double bound;
  int64_t moves;
  /* Slots whose expert stands on the same GPU before. */
  int64_t duplicates;
} fathom_balance_report;

/* How many experts may pass in one round; 0 = 1 for a GPU, no limit for a node. */
typedef struct fathom_balance_links {
  size_t struct_size;
  int64_t sends_per_gpu;
  int64_t receives_per_gpu;
  int64_t sends_per_node;
  int64_t receives_per_node;
} fathom_balance_links;

/* One expert's weights from a slot to a slot. This struct never changes. */
typedef struct fathom_balance_transfer {
  int64_t round;
  int64_t expert;
  int64_t from_slot;
  int64_t to_slot;
} fathom_balance_transfer;

typedef struct fathom_balance_plan fathom_balance_plan;

/* Plans every layer. Keeps nothing of the arguments' memory. */
FATHOM_API fathom_status fathom_balance_plan_create(const fathom_balance_args* args,
                                                    fathom_balance_plan** plan);
/* The largest number of replicas of an expert. */
FATHOM_API fathom_status fathom_balance_plan_max_count(const fathom_balance_plan* plan,
                                                       int64_t* max_count);
/* phy2log [layers, num_replicas], log2phy [layers, experts, max_count] with -1 behind the last
   replica, logcnt [layers, experts]. They live as long as the plan. */
FATHOM_API fathom_status fathom_balance_plan_tables(const fathom_balance_plan* plan,
                                                    const int64_t** phy2log,
                                                    const int64_t** log2phy,
                                                    const int64_t** logcnt);
/* Set report->struct_size before; that much is written. */
FATHOM_API fathom_status fathom_balance_plan_report(const fathom_balance_plan* plan, int64_t layer,
                                                    fathom_balance_report* report);
/* Writes slots [num_gpus, experts, max_count], of the whole plan's max_count: token t that GPU g
   sends to expert e goes to slots[g][e][t % replicas of e]; -1 behind the last. */
FATHOM_API fathom_status fathom_balance_plan_router_table(const fathom_balance_plan* plan,
                                                          int64_t layer, int32_t* slots);
/* What the layer's change from args->current has to move, by ascending round. `links` may be NULL.
   Writes the number of transfers to *count, and as many of them as `capacity` allows. */
FATHOM_API fathom_status fathom_balance_plan_transfers(const fathom_balance_plan* plan,
                                                       int64_t layer,
                                                       const fathom_balance_links* links,
                                                       fathom_balance_transfer* transfers,
                                                       int64_t capacity, int64_t* count);
FATHOM_API void fathom_balance_plan_destroy(fathom_balance_plan* plan);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* FATHOM_C_API_H_ */
