/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables of instructions.h. kernels.awk reads the rows of the second one: one row, one line.
 */
#include "instructions.h"

#include <string.h>

const gla_probe_format gla_probe_formats[] = {
    {"bf16", 8, 7, 2, 0, 1}, {"f16", 5, 10, 2, 0, 1}, {"tf32", 8, 23, 4, 13, 1}, {"e4m3", 4, 3, 1, 0, 0},
    {"e5m2", 5, 2, 1, 0, 1}, {"f32", 8, 23, 4, 0, 1}, {"f64", 11, 52, 8, 0, 1},  {NULL, 0, 0, 0, 0, 0},
};

/* clang-format off */
const gla_probe_instruction gla_probe_instructions[] = {
    {"mma.m16n8k16.f32.bf16", "mma", "bf16", "bf16", "f32", 16, 8, 16, "", "HMMA.16816.F32.BF16"},
    {"mma.m16n8k8.f32.bf16", "mma", "bf16", "bf16", "f32", 16, 8, 8, "", "HMMA.1688.F32.BF16"},
    {"mma.m16n8k16.f32.f16", "mma", "f16", "f16", "f32", 16, 8, 16, "", "HMMA.16816.F32"},
    {"mma.m16n8k8.f32.f16", "mma", "f16", "f16", "f32", 16, 8, 8, "", "HMMA.1688.F32"},
    {"mma.m16n8k16.f16.f16", "mma", "f16", "f16", "f16", 16, 8, 16, "", "HMMA.16816.F16"},
    {"mma.m16n8k8.f16.f16", "mma", "f16", "f16", "f16", 16, 8, 8, "", "HMMA.1688.F16"},
    {"mma.m16n8k8.f32.tf32", "mma", "tf32", "tf32", "f32", 16, 8, 8, "", "HMMA.1688.F32.TF32"},
    {"mma.m16n8k4.f32.tf32", "mma", "tf32", "tf32", "f32", 16, 8, 4, "", "HMMA.1684.F32.TF32"},
    {"mma.m16n8k32.f32.e4m3", "mma", "e4m3", "e4m3", "f32", 16, 8, 32, "", "HMMA.16816.F32"},
    {"mma.m16n8k32.f32.e5m2", "mma", "e5m2", "e5m2", "f32", 16, 8, 32, "", "HMMA.16816.F32"},
    {"mma.m16n8k32.f32.e4m3.e5m2", "mma", "e4m3", "e5m2", "f32", 16, 8, 32, "", "HMMA.16816.F32"},
    {"mma.m16n8k32.f32.e5m2.e4m3", "mma", "e5m2", "e4m3", "f32", 16, 8, 32, "", "HMMA.16816.F32"},
    {"mma.m16n8k32.f16.e4m3", "mma", "e4m3", "e4m3", "f16", 16, 8, 32, "", "HMMA.16816.F16"},
    {"mma.m16n8k32.f16.e5m2", "mma", "e5m2", "e5m2", "f16", 16, 8, 32, "", "HMMA.16816.F16"},
    {"mma.m16n8k32.f16.e4m3.e5m2", "mma", "e4m3", "e5m2", "f16", 16, 8, 32, "", "HMMA.16816.F16"},
    {"mma.m16n8k32.f16.e5m2.e4m3", "mma", "e5m2", "e4m3", "f16", 16, 8, 32, "", "HMMA.16816.F16"},
    {"wgmma.k16.f32.bf16", "wgmma", "bf16", "bf16", "f32", 64, 64, 16, "", "HGMMA.64x64x16.F32.BF16"},
    {"wgmma.k16.f32.f16", "wgmma", "f16", "f16", "f32", 64, 64, 16, "", "HGMMA.64x64x16.F32"},
    {"wgmma.k16.f16.f16", "wgmma", "f16", "f16", "f16", 64, 64, 16, "", "HGMMA.64x64x16.F16"},
    {"wgmma.k8.f32.tf32", "wgmma", "tf32", "tf32", "f32", 64, 64, 8, "", "HGMMA.64x64x8.F32.TF32"},
    {"wgmma.k32.f32.e4m3", "wgmma", "e4m3", "e4m3", "f32", 64, 64, 32, "", "QGMMA.64x64x32.F32.E4M3.E4M3"},
    {"wgmma.k32.f32.e5m2", "wgmma", "e5m2", "e5m2", "f32", 64, 64, 32, "", "QGMMA.64x64x32.F32.E5M2.E5M2"},
    {"wgmma.k32.f32.e4m3.e5m2", "wgmma", "e4m3", "e5m2", "f32", 64, 64, 32, "", "QGMMA.64x64x32.F32.E4M3.E5M2"},
    {"wgmma.k32.f32.e5m2.e4m3", "wgmma", "e5m2", "e4m3", "f32", 64, 64, 32, "", "QGMMA.64x64x32.F32.E5M2.E4M3"},
    {"wgmma.k32.f16.e4m3", "wgmma", "e4m3", "e4m3", "f16", 64, 64, 32, "", "QGMMA.64x64x32.F16.E4M3.E4M3"},
    {"wgmma.k32.f16.e5m2", "wgmma", "e5m2", "e5m2", "f16", 64, 64, 32, "", "QGMMA.64x64x32.F16.E5M2.E5M2"},
    {"wgmma.k32.f16.e4m3.e5m2", "wgmma", "e4m3", "e5m2", "f16", 64, 64, 32, "", "QGMMA.64x64x32.F16.E4M3.E5M2"},
    {"wgmma.k32.f16.e5m2.e4m3", "wgmma", "e5m2", "e4m3", "f16", 64, 64, 32, "", "QGMMA.64x64x32.F16.E5M2.E4M3"},
    {"mma.m8n8k4.f64.rn", "mma", "f64", "f64", "f64", 8, 8, 4, "rn", "DMMA.8x8x4"},
    {"mma.m8n8k4.f64.rz", "mma", "f64", "f64", "f64", 8, 8, 4, "rz", "DMMA.8x8x4.RZ"},
    {"mma.m8n8k4.f64.rm", "mma", "f64", "f64", "f64", 8, 8, 4, "rm", "DMMA.8x8x4.RM"},
    {"mma.m8n8k4.f64.rp", "mma", "f64", "f64", "f64", 8, 8, 4, "rp", "DMMA.8x8x4.RP"},
    {"mma.m16n8k16.f64.rn", "mma", "f64", "f64", "f64", 16, 8, 16, "rn", "DMMA.16x8x16"},
    {NULL, NULL, NULL, NULL, NULL, 0, 0, 0, NULL, NULL},
};
/* clang-format on */

const gla_probe_format *gla_probe_format_named(const char *name) {
    for (const gla_probe_format *f = gla_probe_formats; f->name; f++)
        if (strcmp(f->name, name) == 0) return f;
    return NULL;
}

const gla_probe_instruction *gla_probe_instruction_named(const char *name) {
    for (const gla_probe_instruction *i = gla_probe_instructions; i->name; i++)
        if (strcmp(i->name, name) == 0) return i;
    return NULL;
}
