#include "tools/table.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "resolver/base/text.h"

enum { LINE_WIDTH = 80, GAP = 2, SHORTEST = 8, EVEN = 20 };

struct column {
    char *heading;
    enum table_align align;
    size_t width;
};

struct table {
    struct column *columns;
    size_t column_count;
    char **cells;
    size_t cell_count, cell_room;
};

static void *must(void *memory)
{
    if (!memory) {
        fputs("chalkgate: there is no memory left for this table\n", stderr);
        exit(EXIT_FAILURE);
    }
    return memory;
}

char *text_safe(const char *text, char *out, size_t size)
{
    size_t used = 0;
    for (const char *at = text; *at;) {
        uint32_t character = 0;
        size_t len = text_utf8_read(at, &character);
        char piece[12];
        size_t piece_len = len;
        if (len == 0 || (len == 1 && text_is_unsafe(character)))
            piece_len = (size_t)snprintf(piece, sizeof(piece), "\\x%02x", (unsigned char)*at);
        else if (text_is_unsafe(character))
            piece_len = (size_t)snprintf(piece, sizeof(piece), "\\u%04x", (unsigned)character);
        else
            memcpy(piece, at, len);
        if (used + piece_len + 1 > size)
            break;
        memcpy(out + used, piece, piece_len);
        used += piece_len;
        at += len ? len : 1;
    }
    if (size > 0)
        out[used] = '\0';
    return out;
}

static size_t character_width(uint32_t character)
{
    int width = wcwidth((wchar_t)character);
    return width < 0 ? 1 : (size_t)width;
}

size_t text_width(const char *text)
{
    size_t width = 0;
    while (*text) {
        uint32_t character;
        size_t len = text_utf8_read(text, &character);
        width += len ? character_width(character) : 1;
        text += len ? len : 1;
    }
    return width;
}

/* Octets of `text` that fit into `width` columns. */
static size_t text_fitting(const char *text, size_t width)
{
    const char *at = text;
    while (*at) {
        uint32_t character;
        size_t len = text_utf8_read(at, &character);
        size_t more = len ? character_width(character) : 1;
        if (more > width)
            break;
        width -= more;
        at += len ? len : 1;
    }
    return (size_t)(at - text);
}

struct table *table_create(void)
{
    return must(calloc(1, sizeof(struct table)));
}

void table_column(struct table *table, const char *heading, enum table_align align)
{
    table->columns =
        must(reallocarray(table->columns, table->column_count + 1, sizeof(*table->columns)));
    table->columns[table->column_count++] = (struct column){
        .heading = must(strdup(heading)), .align = align, .width = text_width(heading)};
}

void table_cell(struct table *table, const char *format, ...)
{
    char *text;
    va_list arguments;
    va_start(arguments, format);
    int len = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (len < 0)
        must(NULL);
    size_t size =
        (size_t)len * 4 + 1; /* "\xff" for each octet at most; "\u202e" stands for three */
    char *safe = must(malloc(size));
    text_safe(text, safe, size);
    free(text);

    if (table->cell_count == table->cell_room) {
        table->cell_room = table->cell_room ? table->cell_room * 2 : 64;
        table->cells = must(reallocarray(table->cells, table->cell_room, sizeof(*table->cells)));
    }
    struct column *column = &table->columns[table->cell_count % table->column_count];
    size_t width = text_width(safe);
    if (width > column->width)
        column->width = width;
    table->cells[table->cell_count++] = safe;
}

static size_t line_width(FILE *out)
{
    struct winsize size;
    int fd = fileno(out);
    if (fd >= 0 && isatty(fd) == 1 && ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > LINE_WIDTH)
        return size.ws_col;
    return LINE_WIDTH;
}

static size_t columns_width(const struct table *table)
{
    size_t total = 0;

    for (size_t i = 0; i < table->column_count; i++)
        total += table->columns[i].width + (i ? GAP : 0);
    return total;
}

/* Takes what is too much from the widest text columns: from long ones alike, then from one alone,
 * so that times and addresses stay whole. */
static void columns_fit(struct table *table, size_t room)
{
    for (;;) {
        size_t total = columns_width(table);
        struct column *widest = NULL;
        for (size_t i = 0; i < table->column_count; i++) {
            struct column *column = &table->columns[i];
            if (column->align == TABLE_LEFT && column->width > SHORTEST &&
                (!widest || column->width > widest->width))
                widest = column;
        }
        if (total <= room || !widest)
            return;
        size_t excess = total - room;
        if (widest->width > EVEN)
            widest->width--;
        else
            widest->width = widest->width - SHORTEST > excess ? widest->width - excess : SHORTEST;
    }
}

static void spaces_print(size_t count, FILE *out)
{
    while (count-- > 0)
        fputc(' ', out);
}

static void cell_print(const struct column *column, const char *text, bool last, FILE *out)
{
    size_t width = text_width(text);
    if (width > column->width) {
        size_t len = text_fitting(text, column->width - 1);
        fwrite(text, 1, len, out);
        fputs("…", out);
        width = column->width;
    } else if (column->align == TABLE_RIGHT) {
        spaces_print(column->width - width, out);
        fputs(text, out);
        width = column->width;
    } else {
        fputs(text, out);
    }
    if (!last)
        spaces_print(column->width - width + GAP, out);
}

void table_free(struct table *table)
{
    for (size_t i = 0; i < table->column_count; i++)
        free(table->columns[i].heading);
    for (size_t i = 0; i < table->cell_count; i++)
        free(table->cells[i]);
    free(table->columns);
    free(table->cells);
    free(table);
}

/* "Reason: the chess club's page", folded between words. */
static void below_print(const struct column *column, const char *text, size_t indent, size_t room,
                        FILE *out)
{
    size_t at = indent + text_width(column->heading) + 2;

    if (text[0] == '\0')
        return;
    spaces_print(indent, out);
    fprintf(out, "%s: ", column->heading);
    while (*text != '\0') {
        size_t word = strcspn(text, " "), len = text_fitting(text, room - at);
        if (len < strlen(text) && len >= word) /* back to the end of a word */
            while (text[len] != ' ')
                len--;
        fwrite(text, 1, len, out);
        fputc('\n', out);
        text += len + strspn(text + len, " ");
        at = indent + GAP;
        if (*text != '\0')
            spaces_print(at, out);
    }
}

void table_print(struct table *table, FILE *out)
{
    size_t room = line_width(out), count = table->column_count;
    bool below =
        count > 1 && table->columns[count - 1].align == TABLE_BELOW && columns_width(table) > room;

    table->column_count -= below;
    columns_fit(table, room);
    table->column_count = count;
    for (size_t i = 0; i < count - below; i++)
        cell_print(&table->columns[i], table->columns[i].heading, i + 1 == count - below, out);
    if (count > 0)
        fputc('\n', out);
    for (size_t i = 0; i < table->cell_count; i++) {
        const struct column *column = &table->columns[i % count];
        bool last = i % count + 1 == count - below || i + 1 == table->cell_count;
        if (below && column->align == TABLE_BELOW) {
            size_t indent = table->columns[0].width + GAP;
            below_print(column, table->cells[i], indent < EVEN ? indent : EVEN, room, out);
            continue;
        }
        cell_print(column, table->cells[i], last, out);
        if (last)
            fputc('\n', out);
    }
    table_free(table);
}
