# SPDX-License-Identifier: Apache-2.0
#
# awk -f kernels.awk instructions.c: the inline PTX of every row of the table as specialisations of the templates in
# device.cu, and the table of kernels by row and variant. Operand lists of up to 128 registers are why this is written
# by a program.

function list(first, count,    text, j) {
    text = "%" first
    for (j = 1; j < count; j++) text = text ",%" first + j
    return "{" text "}"
}

function operands(constraint, name, count,    text, j) {
    text = "\"" constraint "\"(" name "[0])"
    for (j = 1; j < count; j++) text = text ", \"" constraint "\"(" name "[" j "])"
    return text
}

# mma.sync: A 16 (f64: or 8) rows, 32-bit registers (f64: 64-bit) of consecutive k
function mma(    unit, bytes, ra, rb, rd, type, c, shape) {
    bytes = result == "f64" ? 8 : a == "tf32" ? 4 : a ~ /^e/ ? 1 : 2
    unit = result == "f64" ? 8 : 4
    ra = M * K * bytes / unit / 32; rb = N * K * bytes / unit / 32
    rd = result == "f16" ? M * N / 64 : M * N / 32
    type = unit == 8 ? "uint64_t" : "uint32_t"; c = unit == 8 ? "l" : "r"
    shape = "m" M "n" N "k" K
    printf "template <> struct multiply<%d> {\n", row
    printf "    typedef %s unit;\n", type
    printf "    enum { M = %d, N = %d, units = %d, RA = %d, RB = %d, RD = %d, half = %d };\n", M, N, K * bytes / unit, ra, rb, rd, result == "f16"
    printf "    static __device__ void go(unit (&d)[RD], const unit (&a)[RA], const unit (&b)[RB]) {\n"
    printf "        asm volatile(\"mma.sync.aligned.%s.row.col.%s.%s.%s.%s%s %s, %s, %s, %s;\"\n", shape, result, a, b, result, \
        rounding == "" ? "" : "." rounding, list(0, rd), list(rd, ra), list(rd + ra, rb), list(0, rd)
    printf "                     : %s : %s, %s);\n    }\n};\n", operands("+" c, "d", rd), operands(c, "a", ra), operands(c, "b", rb)
    table = table "    {mma_kernel<" row ">, nullptr, nullptr, nullptr, nullptr},\n"
}

# wgmma: `source` 0 for a descriptor of A, 1 for registers
function wgmma(n, source, sign,    rd, ra, shape, tail, text) {
    rd = result == "f16" ? n / 4 : n / 2
    ra = source ? 4 : 1
    shape = "m64n" n "k" K
    tail = a == "bf16" || a == "f16" ? (source ? ", 0" : ", 0, 0") : ""
    printf "template <> struct group_multiply<%d, %d, %d, %d> {\n", row, n, source, sign
    printf "    typedef %s source;\n", source ? "uint32_t" : "uint64_t"
    printf "    enum { RA = %d, RD = %d, half = %d };\n", ra, rd, result == "f16"
    print "    static __device__ void go(uint32_t (&d)[RD], const source (&a)[RA], uint64_t b, int keep) {"
    printf "        asm volatile(\"{ .reg .pred p; setp.ne.b32 p, %%%d, 0; wgmma.mma_async.sync.aligned.%s.%s.%s.%s %s, %s, %%%d, p, %d, 1%s; }\"\n", \
        rd + ra + 1, shape, result, a, b, list(0, rd), source ? list(rd, 4) : "%" rd, rd + ra, sign, tail
    printf "                     : %s : %s, \"l\"(b), \"r\"(keep) : \"memory\");\n    }\n};\n", operands("+r", "d", rd), operands(source ? "r" : "l", "a", ra)
}

BEGIN {
    FS = "[{},\" ]+"
    row = 0
    print "// Written by kernels.awk.\n"
}

/^    \{"(mma|wgmma)\./ {
    name = $2; family = $3; a = $4; b = $5; result = $6; M = $7; N = $8; K = $9
    rounding = $10 ~ /^r[nzmp]$/ ? $10 : ""
    if (family == "mma") mma()
    else {
        wgmma(64, 0, 1); wgmma(64, 1, 1); wgmma(8, 0, 1); wgmma(256, 0, 1); wgmma(64, 0, -1)
        table = table "    {group_kernel<" row ", 64, 0, 1>, group_kernel<" row ", 64, 1, 1>, group_kernel<" row ", 8, 0, 1>,\n     group_kernel<" \
            row ", 256, 0, 1>, group_kernel<" row ", 64, 0, -1>},\n"
    }
    row++
}

END {
    print "\nstatic void (*const kernels[][GLA_PROBE_VARIANTS])(kernel_job) = {"
    printf "%s};\n", table
}
