/* SPDX-License-Identifier: Apache-2.0
 *
 * Tensors as the copy engine sees them: boxes of one head, C tokens and some columns; or of a stored state, some rows
 * and columns. What lies outside the tensor arrives as zeros and is not written.
 */
#ifndef GLA_FUSED_MAPS_CUH
#define GLA_FUSED_MAPS_CUH

#include <cuda.h>
#include <cuda_runtime.h>

#include "fused_parts.cuh"

namespace fused {

/* The driver's function that makes tensor maps, or NULL; this library does not link the driver. */
inline void *tensor_map_maker(void) {
    void *found = NULL;
    cudaDriverEntryPointQueryResult result;
    cudaError_t e =
        cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &found, 12000, cudaEnableDefault, &result);
    return e == cudaSuccess ? found : NULL;
}

/* Sizes and strides from the innermost dimension on; strides in bytes, without the innermost. */
inline CUresult box_map(CUtensorMap *map, void *data, int element, const cuuint64_t (&shape)[4],
                        const cuuint64_t (&stride)[3], const cuuint32_t (&box)[4], bool swizzled) {
    static void *const found = tensor_map_maker();
    if (!found) return CUDA_ERROR_NOT_FOUND;
    cuuint32_t step[4] = {1, 1, 1, 1};
    return ((decltype(&cuTensorMapEncodeTiled))found)(
        map, element == 4 ? CU_TENSOR_MAP_DATA_TYPE_FLOAT32 : CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 4, data, shape, stride,
        box, step, CU_TENSOR_MAP_INTERLEAVE_NONE, swizzled ? CU_TENSOR_MAP_SWIZZLE_128B : CU_TENSOR_MAP_SWIZZLE_NONE,
        CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
}

/* [B,T,heads,D]: boxes of C tokens of one head. */
inline CUresult tensor_map(CUtensorMap *map, const gla_cuda_tensor &x, const gla_cuda_problem &p, int64_t D,
                           int columns, bool swizzled) {
    int element = x.dtype == GLA_CUDA_F32 ? 4 : 2;
    cuuint64_t shape[4] = {(cuuint64_t)D, (cuuint64_t)x.heads, (cuuint64_t)p.T, (cuuint64_t)p.B};
    cuuint64_t stride[3];
    for (int i = 0; i < 3; i++) stride[i] = (cuuint64_t)(shape[i + 1] > 1 ? x.stride[2 - i] * element : 16);
    cuuint32_t box[4] = {(cuuint32_t)columns, 1, C, 1};
    return box_map(map, x.data, element, shape, stride, box, swizzled);
}

/* [slots,H,dk,dv], dense, 16 bits (backward.cuh): boxes of `rows` x 64 of one state. */
inline CUresult state_map(CUtensorMap *map, const void *states, const gla_cuda_problem &p, int64_t slots, int rows) {
    cuuint64_t shape[4] = {(cuuint64_t)p.dv, (cuuint64_t)p.dk, (cuuint64_t)p.H, (cuuint64_t)slots};
    cuuint64_t stride[3] = {shape[0] * 2, shape[0] * shape[1] * 2, shape[0] * shape[1] * shape[2] * 2};
    cuuint32_t box[4] = {64, (cuuint32_t)rows, 1, 1};
    return box_map(map, (void *)states, 2, shape, stride, box, true);
}

} // namespace fused

#endif
