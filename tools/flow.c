#include "tools/flow.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tools/table.h"

enum { LINE = 78, CELLS_MOST = 8 };

void flow_begin(struct flow *flow, FILE *out, const char *first, const char *indent)
{
    *flow = (struct flow){.out = out, .first = first, .indent = indent};
}

static void word_print(struct flow *flow, const char *word)
{
    size_t width = text_width(word);
    const char *before = flow->begun ? flow->indent : flow->first;

    if (flow->column && flow->column + 1 + width > LINE) {
        fputc('\n', flow->out);
        flow->column = 0;
    }
    if (flow->column) {
        fputc(' ', flow->out);
        flow->column++;
    } else {
        fputs(before, flow->out);
        flow->column = strlen(before);
    }
    fputs(word, flow->out);
    flow->column += width;
    flow->begun = 1;
}

void flow_words(struct flow *flow, const char *format, ...)
{
    char *words = NULL, *safe, *rest;
    va_list arguments;
    size_t size;
    int len;

    va_start(arguments, format);
    len = vasprintf(&words, format, arguments);
    va_end(arguments);
    if (len < 0)
        return;
    /* The longest escape of one octet has six characters. */
    size = 6 * (size_t)len + 1;
    safe = malloc(size);
    if (safe) {
        rest = text_safe(words, safe, size);
        for (char *word; (word = strsep(&rest, " "));) {
            if (*word)
                word_print(flow, word);
        }
    }
    free(safe);
    free(words);
}

void flow_end(struct flow *flow)
{
    if (flow->begun)
        fputc('\n', flow->out);
    flow->begun = 0;
    flow->column = 0;
}

/* Octets of `text` that fit into `width` columns, whole words if there is room for one. */
static size_t cell_fit(const char *text, size_t width)
{
    size_t fitting = 0, words = 0, columns = 0;

    for (size_t i = 0; text[i];) {
        size_t len = 1;
        while (((unsigned char)text[i + len] & 0xc0) == 0x80)
            len++;
        columns += text[i] == '|' ? 2 : 1;
        if (columns > width + (text[i] == ' '))
            return words ? words : fitting;
        if (text[i] == ' ')
            words = i;
        i += len;
        fitting = i;
    }
    return fitting;
}

static void cell_print(FILE *out, const char *text, size_t len, size_t width)
{
    size_t columns = 0;

    fputs("| ", out);
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '|')
            fputc('\\', out);
        fputc(text[i], out);
        columns += text[i] == '|' ? 2 : ((unsigned char)text[i] & 0xc0) != 0x80;
    }
    fprintf(out, "%*s", columns < width ? (int)(width - columns) + 1 : 1, "");
}

void flow_row(FILE *out, size_t count, const char *const *cells, const size_t *widths)
{
    char safe[CELLS_MOST][4096];
    const char *at[CELLS_MOST];
    bool more = true;

    for (size_t i = 0; i < count; i++)
        at[i] = text_safe(cells[i], safe[i], sizeof safe[i]);
    while (more) {
        more = false;
        for (size_t i = 0; i < count; i++) {
            size_t len = cell_fit(at[i], widths[i]);
            cell_print(out, at[i], len, widths[i]);
            at[i] += len;
            at[i] += strspn(at[i], " ");
            more = more || *at[i];
        }
        fputs("|\n", out);
    }
}
