#include "resolver/config/faults.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORD_MAX = 64 };

void faults_add(struct faults *faults, unsigned line, unsigned column, const char *format, ...)
{
    char text[BL_ERROR_MAX];
    struct fault *fault;
    va_list arguments;

    if (faults->count == FAULTS_MAX) {
        faults->unshown++;
        return;
    }
    if (faults->count == faults->room) {
        size_t room = faults->room ? 2 * faults->room : 8;
        struct fault *items = realloc(faults->items, room * sizeof *items);
        if (!items) {
            faults->unshown++;
            return;
        }
        faults->items = items;
        faults->room = room;
    }
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fault = &faults->items[faults->count];
    *fault = (struct fault){.line = line, .column = column, .order = faults->count++};
    if (line)
        bl_error_set(&fault->error, 0, "%s:%u:%u: %s", faults->path, line, column, text);
    else
        bl_error_set(&fault->error, 0, "%s: %s", faults->path, text);
}

static int fault_compare(const void *left, const void *right)
{
    const struct fault *a = left, *b = right;

    if (a->line != b->line)
        return a->line < b->line ? -1 : 1;
    if (a->column != b->column)
        return a->column < b->column ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

void faults_finish(struct faults *faults, struct config_faults *out_faults)
{
    struct bl_error *items = calloc(faults->count + 1, sizeof *items);
    size_t count = 0;

    qsort(faults->items, faults->count, sizeof *faults->items, fault_compare);
    if (items) {
        for (; count < faults->count; count++)
            items[count] = faults->items[count].error;
        if (faults->unshown)
            bl_error_set(&items[count++], 0, "%s: and %zu more faults", faults->path,
                         faults->unshown);
    }
    free(faults->items);
    *out_faults = (struct config_faults){.items = items, .count = count};
    faults->items = NULL;
    faults->count = faults->room = 0;
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Single letters put in, left out, exchanged or swapped with their neighbour. */
static unsigned word_distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    unsigned rows[3][WORD_MAX + 1];
    unsigned *before = rows[0], *above = rows[1], *row = rows[2];

    for (unsigned j = 0; j <= b_len; j++)
        above[j] = before[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_len; j++) {
            row[j] = least(least(above[j], row[j - 1]) + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], before[j - 2] + 1);
        }
        unsigned *spare = before;
        before = above;
        above = row;
        row = spare;
    }
    return above[b_len];
}

void nearest_offer(struct nearest *nearest, const char *word)
{
    size_t wanted_len = strlen(nearest->wanted), len = strlen(word);
    unsigned allowed = wanted_len <= 3 ? 1 : wanted_len <= 6 ? 2 : 3;
    unsigned distance;

    if (wanted_len > WORD_MAX || len > WORD_MAX || len > wanted_len + allowed ||
        wanted_len > len + allowed)
        return;
    distance = word_distance(nearest->wanted, wanted_len, word, len);
    if (distance > allowed || distance >= wanted_len ||
        (nearest->word && distance >= nearest->distance))
        return;
    nearest->word = word;
    nearest->distance = distance;
}

const char *nearest_text(const struct nearest *nearest, char *text, size_t size)
{
    if (!nearest->word)
        return "";
    snprintf(text, size, "; did you mean \"%s\"?", nearest->word);
    return text;
}
