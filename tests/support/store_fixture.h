/* Stores for tests, from a few words: real ones, through the real compiler.
 *
 *   static const struct fixture_list lists[] = {
 *       {"gambling", BL_TIER_SCHOOL, "casino.test poker.test =exact.test *.below.test
 * 192.0.2.0/24"},
 *       {"gambling", BL_TIER_NATIONAL, "@lottery.test"},
 *   };
 *   struct bl_store *store = fixture_store(lists, 2, NULL);
 *
 * Before a name: "@" allows, "=" the name alone, "*." what is below alone, "!" important (in any
 * order). Behind one: "$AAAA", "$A|AAAA", "$~A", for which types of question. A word "#" is a
 * malformed line. Each list is a source of its own, at "fixture:0", "fixture:1", …; with a base,
 * its sources at the same places are replaced.
 */
#ifndef TESTS_SUPPORT_STORE_FIXTURE_H
#define TESTS_SUPPORT_STORE_FIXTURE_H

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blocklists/compile.h"
#include "blocklists/store.h"
#include "blocklists/types.h"
#include "tests/support/folder.h"

struct fixture_list {
    const char *category;
    enum bl_tier tier;
    const char *words;
};

static inline void fixture_fail(const char *what, const char *why)
{
    fprintf(stderr, "fixture: %s: %s\n", what, why);
    abort();
}

static inline void fixture_prefix(const char *word, struct bl_entry *entry)
{
    char copy[64];
    char *slash;

    snprintf(copy, sizeof copy, "%s", word);
    slash = strchr(copy, '/');
    *slash = '\0';
    entry->is_address = 1;
    entry->prefix.family = strchr(copy, ':') ? 6 : 4;
    entry->prefix.length = (uint8_t)atoi(slash + 1);
    if (inet_pton(entry->prefix.family == 4 ? AF_INET : AF_INET6, copy, entry->prefix.address) != 1)
        fixture_fail(word, "not a prefix");
}

static inline void fixture_types(const char *names, struct bl_types *types)
{
    types->except = *names == '~';
    while (*names) {
        size_t len;

        names += *names == '~' || *names == '|';
        names += *names == '~';
        len = strcspn(names, "|");
        if (!bl_types_add(types, bl_type_number(names, len)))
            fixture_fail(names, "not a type");
        names += len;
    }
}

static inline void fixture_word(struct bl_compile *compile, const char *word, uint32_t line)
{
    struct bl_entry entry = {.scope = BL_SUBTREE, .line = line};
    size_t len;
    struct bl_sink sink = bl_compile_sink(compile);
    struct bl_error error = {""};

    for (;; word++) {
        if (*word == '@')
            entry.action = BL_ALLOW;
        else if (*word == '=')
            entry.scope = BL_EXACT;
        else if (*word == '!')
            entry.important = 1;
        else if (*word == '*' && word[1] == '.') {
            entry.scope = BL_BELOW;
            word++;
        } else
            break;
    }
    len = strcspn(word, "$");
    if (word[len] == '$')
        fixture_types(word + len + 1, &entry.types);
    if (strchr(word, '/'))
        fixture_prefix(word, &entry);
    else if (bl_name_parse(word, len, &entry.name) != BL_NAME_FINE)
        fixture_fail(word, "not a name");
    if (sink.take(sink.user, &entry, &error) != 0)
        fixture_fail(word, error.text);
}

/* The descriptor of a staged store. */
static inline int fixture_compile(const struct fixture_list *lists, size_t count,
                                  const struct bl_store *base)
{
    struct bl_compile_options options = {
        .folder = folder_base(), .base = base, .memory = 1 << 20, .seed = 1, .now = 1700000000};
    struct bl_compile_result result;
    struct bl_compile *compile;
    struct bl_error error = {""};
    int fd;

    if (bl_compile_open(&options, &compile, &error) != 0)
        fixture_fail("opening", error.text);
    for (size_t i = 0; i < count; i++) {
        char location[32], *words = strdup(lists[i].words), *rest = words, *word;
        struct bl_read_report report = {.format = "domains"};
        struct bl_compile_source source = {.location = location,
                                           .category = lists[i].category,
                                           .actor = "tester",
                                           .tier = lists[i].tier};

        snprintf(location, sizeof location, "fixture:%zu", i);
        if (bl_compile_source(compile, &source, &error) != 0)
            fixture_fail(location, error.text);
        while ((word = strsep(&rest, " ")))
            if (*word == '#') {
                report.read++;
                report.malformed++;
                bl_reasons_note(&report.malformed_reasons, "a mark", 1);
            } else if (*word) {
                report.read++;
                report.taken++;
                fixture_word(compile, word, (uint32_t)report.read);
            }
        bl_compile_source_end(compile, &report);
        free(words);
    }
    if (bl_compile_finish(compile, &fd, &result, &error) != 0)
        fixture_fail("finishing", error.text);
    bl_compile_close(compile);
    return fd;
}

static inline struct bl_store *fixture_store(const struct fixture_list *lists, size_t count,
                                             const struct bl_store *base)
{
    struct bl_store *store = NULL;
    struct bl_error error = {""};
    char path[64];
    int fd = fixture_compile(lists, count, base);

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (bl_store_open(path, &store, &error) != 0)
        fixture_fail("reading back", error.text);
    close(fd);
    return store;
}

#endif
