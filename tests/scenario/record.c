#include "record.h"

#include <ldns/ldns.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blocklists/name.h"
#include "resolver/denials/journal_file.h"
#include "resolver/denials/legend.h"
#include "school.h"
#include "script.h"

enum { RECORD_TEXT_MAX = 2048 };

static size_t looked_at; /* records that lines of the scenario have seen */

static const char *const ways[] = {"question", "cname", "service", "address", "rule"};

static void type_text(uint16_t type, char *out, size_t size)
{
    char *text = ldns_rr_type2str((ldns_rr_type)type);
    snprintf(out, size, "%s", text);
    free(text);
}

/* A record as the words of a `denial` line, with client and question before them. */
static void item_text(const struct journal_item *item, const struct legend_names *names,
                      char line[RECORD_TEXT_MAX])
{
    const struct denial *denial = &item->denial;
    char client[ADDRESS_TEXT_MAX], name[BL_NAME_TEXT_MAX], matched[BL_NAME_TEXT_MAX] = "-",
                                                           type[32];
    address_text(&denial->client, client);
    bl_name_text(denial->qname, name);
    type_text(denial->qtype, type, sizeof(type));
    if (denial->matched) {
        bl_name_text(denial->matched, matched);
    } else if (denial->address) {
        struct address address = {0};
        memcpy(address.bytes, denial->address, sizeof(address.bytes));
        address_text(&address, matched);
    }
    const char *group = denial->group < names->group_count ? names->groups[denial->group] : "?";
    const char *category =
        denial->category < names->category_count ? names->categories[denial->category] : "-";
    snprintf(line, RECORD_TEXT_MAX, "%s %s %s: %s %s %s via=%s%s", client, name, type, group,
             category, matched, denial->via < 5 ? ways[denial->via] : "?",
             denial->observed ? " observed" : "");
}

/* Walks one journal file; gives the text of record number `wanted` of those seen so far. */
static bool file_item(const char *path, size_t wanted, size_t *seen, char line[RECORD_TEXT_MAX])
{
    struct bl_error error = {0};
    struct journal_file *file = NULL;
    if (journal_file_open(path, &file, &error))
        return false;
    struct journal_scan scan;
    struct journal_item item;
    const struct journal_legend *record;
    struct legend_names *names = NULL;
    bool found = false;
    int kind;
    if (journal_scan_start(file->base, file->size, &scan) == 0) {
        while (!found && (kind = journal_scan_next(&scan, &item, &record)) != 0) {
            if (kind == JOURNAL_LEGEND) {
                legend_names_free(names);
                names = NULL;
                if (legend_read(record, &names))
                    script_fail("the journal's legend cannot be read back");
            } else if ((*seen)++ == wanted) {
                if (!names || names->id != item.legend)
                    script_fail("a record without its legend");
                item_text(&item, names, line);
                found = true;
            }
        }
    }
    legend_names_free(names);
    journal_file_close(file);
    return found;
}

/* The text of record number `wanted`, from 0; false when there are not so many. */
static bool record_get(size_t wanted, char line[RECORD_TEXT_MAX])
{
    struct bl_error error = {0};
    char **paths = NULL;
    size_t count = 0, seen = 0;
    bool found = false;
    if (journal_paths(school_state(), &paths, &count, &error))
        script_fail("%s", error.text);
    for (size_t i = 0; i < count && !found; i++)
        found = file_item(paths[i], wanted, &seen, line);
    journal_paths_free(paths);
    return found;
}

void record_expect(const struct address *client, const char *name, const char *type, char *rest)
{
    char expected[RECORD_TEXT_MAX], got[RECORD_TEXT_MAX], address[ADDRESS_TEXT_MAX];
    const char *group = word_must(&rest, "the group"), *category = word_must(&rest, "the category"),
               *matched = word_must(&rest, "what matched"), *way = "question";
    bool observed = false;
    for (char *word; (word = word_next(&rest));) {
        if (word_value(word, "via"))
            way = word_value(word, "via");
        else if (strcmp(word, "observed") == 0)
            observed = true;
        else
            script_fail("a denial knows no '%s'", word);
    }
    char lower[BL_NAME_TEXT_MAX];
    snprintf(lower, sizeof(lower), "%s", name);
    size_t len = strlen(lower);
    for (size_t i = 0; i < len; i++)
        if (lower[i] >= 'A' && lower[i] <= 'Z')
            lower[i] = (char)(lower[i] + 32);
    if (len > 1 && lower[len - 1] == '.')
        lower[len - 1] = '\0';
    snprintf(expected, sizeof(expected), "%s %s %s: %s %s %s via=%s%s",
             address_text(client, address), lower, type, group, category, matched, way,
             observed ? " observed" : "");
    if (!record_get(looked_at, got))
        script_differ(expected, "nothing more was recorded");
    looked_at++;
    if (strcmp(expected, got) != 0)
        script_differ(expected, "%s", got);
}

void record_expect_none(void)
{
    char got[RECORD_TEXT_MAX];
    if (record_get(looked_at, got))
        script_differ("no further record", "%s", got);
}

void record_explain(void)
{
    char line[RECORD_TEXT_MAX];
    for (size_t i = looked_at; *school_state() && record_get(i, line); i++)
        printf("  recorded: %s\n", line);
}
