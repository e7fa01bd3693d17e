#include "resolver/query/safe_search.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS_TEXT_MAX = 256, FILTER_BITS = 4096, TAIL = 6 };

struct engine {
    char name[64];
    struct bl_name hosts[2]; /* moderate, strict; empty: none */
    bool denied;
};

struct engine_name {
    struct bl_name name;
    uint16_t engine;
};

struct safe_search {
    struct engine *engines;
    size_t engine_count, engine_room;
    struct engine_name *names;
    size_t name_count, name_room;
    uint32_t *table; /* name number + 1 */
    uint32_t mask;
    uint64_t filter[FILTER_BITS / 64]; /* by the last octets of names: most others end here */
};

/* The octets before the root. A name below another one ends as that one does, so one bit answers
 * for all of them. */
static uint32_t tail_bit(const uint8_t *name, size_t len)
{
    uint64_t octets = 0;

    memcpy(&octets, name + len - 1 - TAIL, TAIL);
    return (uint32_t)(octets * 0x9e3779b97f4a7c15u >> 52) % FILTER_BITS;
}

static uint32_t name_hash(const uint8_t *name, size_t len)
{
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ name[i]) * 16777619u;
    return hash ^ hash >> 15;
}

static void *grow(void *items, size_t count, size_t *room, size_t size)
{
    void *more;

    if (count < *room)
        return items;
    more = realloc(items, (*room * 2 + 64) * size);
    if (more)
        *room = *room * 2 + 64;
    return more;
}

static int engine_add(struct safe_search *search, const char *title)
{
    struct engine *more =
        grow(search->engines, search->engine_count, &search->engine_room, sizeof *search->engines);

    if (!more)
        return -ENOMEM;
    search->engines = more;
    more[search->engine_count] = (struct engine){0};
    snprintf(more[search->engine_count++].name, sizeof more->name, "%s", title);
    return 0;
}

static int name_add(struct safe_search *search, const char *text)
{
    struct engine_name *more =
        grow(search->names, search->name_count, &search->name_room, sizeof *search->names);
    struct engine_name *item;

    if (!more)
        return -ENOMEM;
    search->names = more;
    item = &more[search->name_count];
    item->engine = (uint16_t)(search->engine_count - 1);
    if (bl_name_parse(text, strlen(text), &item->name) != BL_NAME_FINE || item->name.len <= TAIL)
        return -EINVAL;
    search->name_count++;
    return 0;
}

/* The next word of a line, in place; NULL at its end. */
static char *word_next(char **rest)
{
    char *word = *rest + strspn(*rest, " ");

    if (!*word)
        return NULL;
    *rest = word + strcspn(word, " ");
    if (**rest)
        *(*rest)++ = '\0';
    return word;
}

static int names_read(struct safe_search *search, const char *prefix, char *rest)
{
    char text[WORDS_TEXT_MAX];
    int code = 0;

    for (char *word; code == 0 && (word = word_next(&rest));) {
        if ((size_t)snprintf(text, sizeof text, "%s%s", prefix, word) >= sizeof text)
            return -EINVAL;
        code = name_add(search, text);
    }
    return code;
}

static int host_read(struct engine *engine, const char *level, char *rest)
{
    const char *word = word_next(&rest);
    struct bl_name host;

    if (!word || bl_name_parse(word, strlen(word), &host) != BL_NAME_FINE)
        return -EINVAL;
    if (strcmp(level, "strict") != 0)
        engine->hosts[0] = host;
    if (strcmp(level, "moderate") != 0)
        engine->hosts[1] = host;
    return 0;
}

static int line_read(struct safe_search *search, char *line)
{
    struct engine *engine =
        search->engine_count ? &search->engines[search->engine_count - 1] : NULL;
    const char *verb, *prefix;

    line[strcspn(line, "#")] = '\0';
    verb = word_next(&line);
    if (!verb)
        return 0;
    if (strcmp(verb, "engine") == 0)
        return engine_add(search, line);
    if (!engine)
        return -EINVAL;
    if (strcmp(verb, "names") == 0)
        return names_read(search, "", line);
    if (strcmp(verb, "suffixes") == 0) {
        prefix = word_next(&line);
        return prefix ? names_read(search, prefix, line) : -EINVAL;
    }
    if (strcmp(verb, "none") == 0) {
        engine->denied = true;
        return 0;
    }
    if (strcmp(verb, "safe") == 0 || strcmp(verb, "moderate") == 0 || strcmp(verb, "strict") == 0)
        return host_read(engine, verb, line);
    return -EINVAL;
}

static int text_read(struct safe_search *search, const unsigned char *text, size_t len,
                     struct bl_error *error)
{
    unsigned number = 0;
    char line[1024];

    for (size_t at = 0; at < len;) {
        const unsigned char *end = memchr(text + at, '\n', len - at);
        size_t size = end ? (size_t)(end - text) - at : len - at;
        int code = -EINVAL;
        number++;
        if (size < sizeof line) {
            memcpy(line, text + at, size);
            line[size] = '\0';
            code = line_read(search, line);
        }
        if (code == -ENOMEM)
            return bl_error_set(error, code, "no memory for safe search");
        if (code < 0)
            return bl_error_set(error, code, "safe_search.txt:%u: not understood", number);
        at += size + 1;
    }
    return 0;
}

static const struct engine_name *name_find(const struct safe_search *search, const uint8_t *name,
                                           size_t len)
{
    uint32_t slot = name_hash(name, len) & search->mask;

    for (; search->table[slot]; slot = (slot + 1) & search->mask) {
        const struct engine_name *item = &search->names[search->table[slot] - 1];
        if (item->name.len == len && memcmp(item->name.wire, name, len) == 0)
            return item;
    }
    return NULL;
}

static int table_fill(struct safe_search *search, struct bl_error *error)
{
    size_t slots = 64;

    while (slots < 2 * search->name_count)
        slots *= 2;
    search->mask = (uint32_t)slots - 1;
    search->table = calloc(slots, sizeof *search->table);
    if (!search->table)
        return bl_error_set(error, -ENOMEM, "no memory for safe search");
    for (size_t i = 0; i < search->name_count; i++) {
        const struct bl_name *name = &search->names[i].name;
        uint32_t slot = name_hash(name->wire, name->len) & search->mask;
        uint32_t bit = tail_bit(name->wire, name->len);
        char text[BL_NAME_TEXT_MAX];
        if (name_find(search, name->wire, name->len)) {
            bl_name_text(name->wire, text);
            return bl_error_set(error, -EINVAL, "safe_search.txt: %s stands there twice", text);
        }
        while (search->table[slot])
            slot = (slot + 1) & search->mask;
        search->table[slot] = (uint32_t)i + 1;
        search->filter[bit / 64] |= 1ull << bit % 64;
    }
    return 0;
}

int safe_search_create(const unsigned char *text, size_t len, struct safe_search **out_search,
                       struct bl_error *error)
{
    struct safe_search *search = calloc(1, sizeof *search);
    int code;

    if (!search)
        return bl_error_set(error, -ENOMEM, "no memory for safe search");
    code = text_read(search, text, len, error);
    if (code == 0)
        code = table_fill(search, error);
    if (code < 0) {
        safe_search_free(search);
        return code;
    }
    *out_search = search;
    return 0;
}

void safe_search_free(struct safe_search *search)
{
    if (!search)
        return;
    free(search->engines);
    free(search->names);
    free(search->table);
    free(search);
}

bool safe_search_find(const struct safe_search *search, const uint8_t *name, size_t len,
                      enum config_safe_search level, struct safe_form *out_form)
{
    uint32_t bit;

    if (level == SAFE_SEARCH_OFF || len <= TAIL)
        return false;
    bit = tail_bit(name, len);
    if (!(search->filter[bit / 64] & 1ull << bit % 64))
        return false;
    for (size_t at = 0; len - at > TAIL; at += name[at] + 1u) {
        const struct engine_name *item = name_find(search, name + at, len - at);
        const struct engine *engine = item ? &search->engines[item->engine] : NULL;
        const struct bl_name *host;
        if (!engine)
            continue;
        if (engine->denied) {
            *out_form = (struct safe_form){.engine = engine->name};
            return level == SAFE_SEARCH_STRICT;
        }
        host = &engine->hosts[level == SAFE_SEARCH_STRICT];
        if (at > 0 || host->len == 0)
            return false; /* only the name itself: others below it serve pictures, mail, maps … */
        *out_form = (struct safe_form){.engine = engine->name, .host = host};
        return true;
    }
    return false;
}
