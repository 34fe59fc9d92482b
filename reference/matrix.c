/* SPDX-License-Identifier: Apache-2.0
 *
 * Matrices of numbers: their memory, an arena that a number system owns, and views; contract in verbs.h.
 */
#include "verbs.h"

#include <stdlib.h>

/* ---- memory ---- */

struct block {
    void *at;
    size_t numbers; /* initialised numbers inside, 0 for raw memory */
};

struct gla_arena {
    struct block *blocks;
    size_t used, room;
};

/* Room for one more block in the arena, or NULL. */
static struct block *next_block(gla_numbers *n) {
    if (!n->arena) n->arena = calloc(1, sizeof *n->arena);
    struct gla_arena *a = n->arena;
    if (!a) return NULL;
    if (a->used == a->room) {
        size_t room = a->room ? 2 * a->room : 64;
        struct block *blocks = realloc(a->blocks, room * sizeof *blocks);
        if (!blocks) return NULL;
        a->blocks = blocks;
        a->room = room;
    }
    return &a->blocks[a->used];
}

void *gla_raw(gla_numbers *n, size_t bytes) {
    if (n->status != GLA_OK) return NULL;
    struct block *b = next_block(n);
    void *at = b ? calloc(bytes ? bytes : 1, 1) : NULL;
    if (!at) {
        n->status = GLA_NO_MEMORY;
        return NULL;
    }
    *b = (struct block){at, 0};
    n->arena->used++;
    return at;
}

gla_matrix gla_new(gla_numbers *n, size_t rows, size_t cols) {
    size_t count = rows * cols;
    char *at = gla_raw(n, count * n->size);
    if (at) {
        for (size_t i = 0; i < count; i++) n->ops->init(n, at + i * n->size);
        n->arena->blocks[n->arena->used - 1].numbers = count;
    }
    return gla_over(n, at, rows, cols);
}

gla_matrix gla_number(gla_numbers *n, double x) {
    gla_matrix z = gla_new(n, 1, 1);
    if (n->status == GLA_OK) n->ops->set_d(n, z.at, x);
    return z;
}

size_t gla_mark(gla_numbers *n) { return n->arena ? n->arena->used : 0; }

void gla_release(gla_numbers *n, size_t mark) {
    struct gla_arena *a = n->arena;
    if (!a) return;
    while (a->used > mark) {
        struct block *b = &a->blocks[--a->used];
        for (size_t i = 0; i < b->numbers; i++) n->ops->clear(n, (char *)b->at + i * n->size);
        free(b->at);
    }
}

void gla_arena_free(gla_numbers *n) {
    gla_release(n, 0);
    if (n->arena) free(n->arena->blocks);
    free(n->arena);
    n->arena = NULL;
}

/* ---- views ---- */

gla_matrix gla_over(gla_numbers *n, void *at, size_t rows, size_t cols) {
    return (gla_matrix){n, at, rows, cols, (ptrdiff_t)(cols * n->size), (ptrdiff_t)n->size};
}

void *gla_at(gla_matrix m, size_t i, size_t j) { return m.at + (ptrdiff_t)i * m.row + (ptrdiff_t)j * m.col; }

gla_matrix gla_rows(gla_matrix m, size_t first, size_t count) {
    if (m.at) m.at += (ptrdiff_t)first * m.row;
    m.rows = count;
    return m;
}

gla_matrix gla_row(gla_matrix m, size_t i) { return gla_rows(m, i, 1); }

gla_matrix gla_transposed(gla_matrix m) { return (gla_matrix){m.in, m.at, m.cols, m.rows, m.col, m.row}; }

gla_matrix gla_columns(gla_matrix m, size_t first, size_t count) {
    if (m.at) m.at = gla_at(m, 0, first);
    m.cols = count;
    return m;
}

gla_matrix gla_column(gla_matrix m, size_t j) { return gla_columns(m, j, 1); }

bool gla_absent(gla_matrix m) { return m.at == NULL; }

gla_matrix gla_spread(gla_matrix m, size_t rows, size_t cols) {
    return (gla_matrix){m.in, m.at, rows, cols, m.rows == 1 ? 0 : m.row, m.cols == 1 ? 0 : m.col};
}
