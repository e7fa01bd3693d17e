/* The crash-proof journal of one worker; journal-format.md has every byte.
 *
 * Happy path: the writer thread keeps one spare file ready (allocated, mapped, zeroed); the worker
 * appends records to its current file and publishes each by storing the new end with release order;
 * when a file is full the worker takes the spare. The writer reads published records, moves them
 * into the day's segment, records how far it came, and makes files that are full and drained the
 * next spares, or unlinks them.
 *
 * Failure modes: kill -9 loses nothing, the kernel keeps the mapped pages, and the next start
 * drains what it finds; a power cut loses at most what was not yet synced (`msync` each second by
 * the writer). Without a spare (disk full, writer stuck) the denial is counted by group and
 * category but not itemised; answers never wait. Known weakness: a store to a page of a file system
 * that is full could fault; files are therefore allocated with posix_fallocate() before they are
 * mapped.
 *
 * Threads: journal_append() and journal_legend() by the owning worker only; the rest by the writer
 * thread.
 */
#ifndef RESOLVER_DENIALS_JOURNAL_H
#define RESOLVER_DENIALS_JOURNAL_H

#include <stddef.h>
#include <stdint.h>

#include "blocklists/error.h"
#include "resolver/denials/denial.h"

struct journal;
struct legend;

/* What the numbers of the following records mean; immutable, made with each snapshot. */
struct legend_input {
    const char *const *groups;
    size_t group_count;
    const char *const *categories; /* names */
    const char *const *category_titles;
    const uint8_t *severities; /* enum config_severity, by category */
    size_t category_count;
    uint32_t policy_version;
    uint64_t generation;
};

int legend_create(const struct legend_input *input, struct legend **out_legend); /* 0 or -ENOMEM */
void legend_free(struct legend *legend);

/* Opens a fresh journal file for worker number `worker` in STATE/journal. */
int journal_open(const char *state, unsigned worker, struct journal **out_journal,
                 struct bl_error *error);
void journal_close(struct journal *journal);

/* From here on numbers mean what `legend` says. Borrowed until the next call or journal_close(). */
void journal_legend(struct journal *journal, const struct legend *legend);

/* Records a denial and returns its case number (never 0), which denials_case_text() turns into the
 * short code that people quote. Case numbers are unique for the life of the state folder, also when
 * the record could only be counted. */
uint64_t journal_append(struct journal *journal, const struct denial *denial);

enum { CASE_TEXT_MAX = 16 };
char *denials_case_text(uint64_t number, char text[CASE_TEXT_MAX]);
int denials_case_parse(const char *text,
                       uint64_t *out_number); /* 0 or -EINVAL; forgiving of case and 0/O, 1/I/L */

#endif
