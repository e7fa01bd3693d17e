#include "resolver/denials/legend.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LEGEND_MAX = UINT16_MAX * 8, NAME_MAX_LEN = 255, COUNT_MAX = 4096 };

static size_t text_len(const char *text)
{
    return text == NULL ? 0 : strnlen(text, NAME_MAX_LEN);
}

static uint8_t *text_put(uint8_t *at, const char *text)
{
    size_t len = text_len(text);

    *at++ = (uint8_t)len;
    if (len > 0)
        memcpy(at, text, len);
    return at + len;
}

static size_t legend_size(const struct legend_input *input, bool titles)
{
    size_t size = offsetof(struct journal_legend, words);

    for (size_t i = 0; i < input->group_count; i++)
        size += 1 + text_len(input->groups[i]);
    for (size_t i = 0; i < input->category_count; i++)
        size +=
            3 + text_len(input->categories[i]) +
            (titles && input->category_titles != NULL ? text_len(input->category_titles[i]) : 0);
    return (size + 7) & ~(size_t)7;
}

int legend_create(const struct legend_input *input, struct legend **out_legend)
{
    struct legend_input cut = *input;

    if (cut.group_count > COUNT_MAX)
        cut.group_count = COUNT_MAX;
    if (cut.category_count > COUNT_MAX)
        cut.category_count = COUNT_MAX;
    bool titles = legend_size(&cut, true) <= LEGEND_MAX;
    while (legend_size(&cut, titles) > LEGEND_MAX && cut.category_count > 0)
        cut.category_count--;
    size_t size = legend_size(&cut, titles);
    struct legend *legend = calloc(1, sizeof(*legend) + size);
    if (legend == NULL)
        return -ENOMEM;
    struct journal_legend *record = (struct journal_legend *)(void *)legend->bytes;
    uint8_t *at = record->words;
    for (size_t i = 0; i < cut.group_count; i++)
        at = text_put(at, cut.groups[i]);
    for (size_t i = 0; i < cut.category_count; i++) {
        *at++ = cut.severities == NULL ? 0 : cut.severities[i];
        at = text_put(at, cut.categories[i]);
        at = text_put(at, titles && cut.category_titles != NULL ? cut.category_titles[i] : "");
    }
    record->head.words = (uint16_t)(size / 8);
    record->head.type = JOURNAL_LEGEND;
    record->group_count = (uint16_t)cut.group_count;
    record->category_count = (uint16_t)cut.category_count;
    record->policy_version = cut.policy_version;
    record->generation = cut.generation;
    uint32_t sum = journal_record_check(record, size / 8, 0, 0);
    record->id = (uint16_t)(sum ^ sum >> 16);
    if (record->id == 0)
        record->id = 1;
    legend->id = record->id;
    legend->len = size;
    *out_legend = legend;
    return 0;
}

void legend_free(struct legend *legend)
{
    free(legend);
}

/* Copies the counted text at *at to *out, ends it with NUL, and steps both on. */
static const char *text_take(const uint8_t **at, const uint8_t *end, char **out)
{
    if (*at >= end || (size_t)(end - *at) < 1u + **at)
        return NULL;
    size_t len = **at;
    char *text = *out;
    memcpy(text, *at + 1, len);
    text[len] = '\0';
    *at += 1 + len;
    *out += len + 1;
    return text;
}

static int names_take(struct legend_names *names, const uint8_t *at, const uint8_t *end, char *text)
{
    for (unsigned i = 0; i < names->group_count; i++)
        if ((names->groups[i] = text_take(&at, end, &text)) == NULL)
            return -EBADMSG;
    for (unsigned i = 0; i < names->category_count; i++) {
        if (at >= end)
            return -EBADMSG;
        names->severities[i] = *at++;
        names->categories[i] = text_take(&at, end, &text);
        names->titles[i] = names->categories[i] == NULL ? NULL : text_take(&at, end, &text);
        if (names->titles[i] == NULL)
            return -EBADMSG;
    }
    return 0;
}

int legend_read(const struct journal_legend *record, struct legend_names **out_names)
{
    size_t len = (size_t)record->head.words * 8;
    size_t texts = (size_t)record->group_count + 2 * (size_t)record->category_count;
    struct legend_names *names;

    if (len < sizeof(*record) || texts > len)
        return -EBADMSG;
    names =
        calloc(1, sizeof(*names) + texts * sizeof(char *) + record->category_count + len + texts);
    if (names == NULL)
        return -ENOMEM;
    names->id = record->id;
    names->group_count = record->group_count;
    names->category_count = record->category_count;
    names->policy_version = record->policy_version;
    names->generation = record->generation;
    names->groups = (const char **)(void *)(names + 1);
    names->categories = names->groups + names->group_count;
    names->titles = names->categories + names->category_count;
    names->severities = (uint8_t *)(void *)(names->titles + names->category_count);
    const uint8_t *bytes = (const uint8_t *)record;
    int code = names_take(names, record->words, bytes + len,
                          (char *)names->severities + names->category_count);
    if (code < 0) {
        free(names);
        return code;
    }
    *out_names = names;
    return 0;
}

void legend_names_free(struct legend_names *names)
{
    free(names);
}
