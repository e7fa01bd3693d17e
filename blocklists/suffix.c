#include "blocklists/suffix.h"

#include <libpsl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blocklists/layout.h"

/* The text that libpsl's compiled list is made from, and that package updates replace. */
static const char list_path[] = "/usr/share/publicsuffix/public_suffix_list.dat";

/* Ten thousand suffixes: of a hundred names that are none, two or three are sent on. */
enum { FILTER_BITS = 20 };

/* Immutable once loaded. */
static struct {
    const psl_ctx_t *list;
    bool filtered; /* `bits` knows every suffix of `list`: those at hand, and the parents of
                      wildcards */
    uint64_t bits[(1u << FILTER_BITS) / 64];
} suffixes;

static pthread_once_t suffixes_loaded = PTHREAD_ONCE_INIT;

/* The wildcard "*.ck" is kept as its parent under a seed of its own: else every name below "com"
 * would look as if it might be one. */
enum seed { SEED_RULE = 1, SEED_WILDCARD = 2 };

static uint64_t word_mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 29;
}

/* Eight octets at a time; the last eight may lie over some that were taken before. */
static uint32_t wire_hash(enum seed seed, const uint8_t *wire, size_t len)
{
    uint64_t hash = len + ((uint64_t)seed << 32);
    size_t at = 0;

    for (; at + 8 < len; at += 8)
        hash = word_mix(hash, bl_get64(wire + at));
    if (len >= 8)
        hash = word_mix(hash, bl_get64(wire + len - 8));
    for (; len < 8 && at < len; at++)
        hash = word_mix(hash, wire[at]);
    return (uint32_t)(hash * 0x9e3779b97f4a7c15u >> (64 - FILTER_BITS));
}

static bool filter_has(enum seed seed, const uint8_t *wire, size_t len)
{
    uint32_t bit = wire_hash(seed, wire, len);

    return suffixes.bits[bit / 64] >> (bit % 64) & 1;
}

static void filter_set(enum seed seed, const struct bl_name *name)
{
    uint32_t bit = wire_hash(seed, name->wire, name->len);

    suffixes.bits[bit / 64] |= (uint64_t)1 << (bit % 64);
}

/* One line of the list: "co.uk", "*.ck", "!www.ck", a comment. */
static void filter_add(const char *line)
{
    struct bl_name name;
    size_t len = strcspn(line, " \t\r\n");
    bool wildcard = len > 2 && line[0] == '*';

    /* An exception is no suffix; the wildcard beside it sends its name to libpsl, which knows. */
    if (len == 0 || line[0] == '/' || line[0] == '!')
        return;
    if (wildcard) {
        line += 2;
        len -= 2;
    }
    if (bl_name_parse(line, len, &name) != BL_NAME_FINE)
        return;
    filter_set(SEED_RULE, &name); /* libpsl takes the parent of a wildcard for a suffix, too */
    if (wildcard)
        filter_set(SEED_WILDCARD, &name);
}

static void suffixes_load(void)
{
    char line[512];
    FILE *file = fopen(list_path, "re");

    suffixes.list = psl_builtin();
    if (!file)
        return;
    while (fgets(line, sizeof line, file))
        filter_add(line);
    if (!ferror(file)) {
        psl_ctx_t *list;

        rewind(file);
        list = psl_load_fp(file);
        if (list) {
            /* Filter and list come from the same text, so they agree whatever libpsl was built
             * with. */
            suffixes.list = list;
            suffixes.filtered = true;
        }
    }
    fclose(file);
}

static enum suffix_kind kind_of(const uint8_t *wire, size_t len)
{
    const uint8_t *parent = wire + wire[0] + 1;
    char text[BL_NAME_TEXT_MAX];

    if (parent[0] == 0)
        return SUFFIX_TOP_LEVEL;
    pthread_once(&suffixes_loaded, suffixes_load);
    if (!suffixes.list)
        return SUFFIX_NONE;
    if (suffixes.filtered && !filter_has(SEED_RULE, wire, len) &&
        !filter_has(SEED_WILDCARD, parent, len - wire[0] - 1u))
        return SUFFIX_NONE;
    bl_name_text(wire, text);
    if (psl_is_public_suffix2(suffixes.list, text, PSL_TYPE_ICANN | PSL_TYPE_NO_STAR_RULE))
        return SUFFIX_REGISTRY;
    if (psl_is_public_suffix2(suffixes.list, text, PSL_TYPE_PRIVATE | PSL_TYPE_NO_STAR_RULE))
        return SUFFIX_PRIVATE;
    return SUFFIX_NONE;
}

enum suffix_kind suffix_of(const struct bl_name *name)
{
    return kind_of(name->wire, name->len);
}

size_t suffix_domain(const uint8_t *wire)
{
    size_t len = bl_name_length(wire), before = 0;

    for (size_t at = 0; wire[at] != 0; at += wire[at] + 1u) {
        if (kind_of(wire + at, len - at) != SUFFIX_NONE)
            return before;
        before = at;
    }
    return 0;
}

/* Cyrillic and Greek small letters that a reader takes for a Latin one: the most used of Unicode's
 * confusables (UTS 39). */
static bool passes_for_latin(uint32_t point)
{
    static const uint16_t letters[] = {0x03b1, 0x03b9, 0x03ba, 0x03bd, 0x03bf, 0x03c1, 0x03c5,
                                       0x03c7, 0x0430, 0x0433, 0x0435, 0x043a, 0x043e, 0x043f,
                                       0x0440, 0x0441, 0x0443, 0x0445, 0x0455, 0x0456, 0x0458,
                                       0x0475, 0x04bb, 0x04cf, 0x0501, 0x051b, 0x051d};

    for (size_t i = 0; i < sizeof letters / sizeof letters[0]; i++)
        if (letters[i] == point)
            return true;
    return false;
}

static bool label_looks_alike(const uint32_t *points)
{
    bool latin = false, foreign = false, all_alike = true;

    for (; *points; points++) {
        if ((*points >= 'a' && *points <= 'z') || (*points >= 0xc0 && *points < 0x250)) {
            latin = true;
        } else if (*points >= 0x370 && *points < 0x590) { /* Greek, Cyrillic, Armenian */
            foreign = true;
            all_alike &= passes_for_latin(*points);
        }
    }
    return foreign && (latin || all_alike);
}

bool name_looks_alike(const struct bl_name *name)
{
    uint32_t points[BL_LABEL_MAX + 1];

    for (const uint8_t *label = name->wire; label[0] != 0; label += label[0] + 1)
        if (bl_label_unicode(label, points) && label_looks_alike(points))
            return true;
    return false;
}
