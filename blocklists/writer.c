/* Happy path: number what is kept → merge the sorted entries with the base's tree, key by key,
 * closing each one's fact over its parents on the way (a parent sorts right before what is below
 * it, so a stack of the open parents is enough) and appending it to the entries tree → fill the
 * fast table and the address ranges from that tree → write facts, categories, sources and meta →
 * commit, cut the file to its length, seal it.
 *
 * One LMDB transaction for all. MDB_WRITEMAP: pages are the file's own, so they do not count as
 * private memory and the kernel writes them when it likes. Writing through a map to a sparse file
 * raises SIGBUS when the disk is full, therefore space is allocated first, in the amounts that each
 * step can need.
 */
#include "blocklists/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blocklists/writer_inside.h"

enum {
    ROOM_FOR_LATER = 64 << 20, /* of the map, not of the disk: facts, categories, sources */
    TREE_SLACK = 64 * BL_PAGE,
};

int writer_lmdb_fault(struct work *work, int rc)
{
    if (rc == MDB_MAP_FULL)
        return bl_error_set(work->error, -ENOSPC,
                            "the new generation outgrows the room made for it");
    return bl_lmdb_error(work->error, "the new generation", "cannot be written", rc);
}

int writer_no_memory(struct work *work)
{
    return bl_error_set(work->error, -ENOMEM, "not enough memory to compile the lists");
}

static int file_make(struct work *work)
{
    char path[4096];

    if ((size_t)snprintf(path, sizeof path, "%s/staging-XXXXXX", work->writer->options->folder) >=
        sizeof path)
        return bl_error_set(work->error, -ENAMETOOLONG, "%s: the path is too long",
                            work->writer->options->folder);
    work->fd = mkostemp(path, O_CLOEXEC);
    if (work->fd < 0)
        return bl_error_set(work->error, -errno, "cannot make a file in %s: %s",
                            work->writer->options->folder, bl_disk_text(errno));
    unlink(path);
    snprintf(work->path, sizeof work->path, "/proc/self/fd/%d", work->fd);
    return 0;
}

int writer_allocate(struct work *work, uint64_t more)
{
    int rc = posix_fallocate(work->fd, (off_t)work->allocated, (off_t)more);

    if (rc != 0)
        return bl_error_set(work->error, -rc, "no room for the new generation (%llu MiB) in %s: %s",
                            (unsigned long long)((work->allocated + more + (1 << 20) - 1) >> 20),
                            work->writer->options->folder, bl_disk_text(rc));
    work->allocated += more;
    return 0;
}

/* The pages that the entries can need at most: a sixth more than their nodes for branch pages and
 * the ends of leaves, and the base's tree a quarter larger, as numbers of sources may grow by an
 * octet. */
static uint64_t tree_bound(const struct work *work, uint64_t records, uint64_t key_octets)
{
    const struct bl_store *base = work->writer->options->base;
    uint64_t nodes = key_octets + records * (BL_NODE_COST + BL_ENTRY_COST + 2);

    return nodes + nodes / 6 + (base ? base->seal.lmdb_len + base->seal.lmdb_len / 4 : 0) +
           TREE_SLACK;
}

static int env_make(struct work *work, uint64_t map_size)
{
    int rc = mdb_env_create(&work->env);

    if (rc == 0)
        rc = mdb_env_set_maxdbs(work->env, 1);
    if (rc == 0)
        rc = mdb_env_set_mapsize(work->env, map_size);
    if (rc == 0)
        rc = mdb_env_open(work->env, work->path,
                          MDB_WRITEMAP | MDB_NOSYNC | MDB_NOMETASYNC | MDB_NOLOCK | MDB_NOSUBDIR |
                              MDB_NOMEMINIT,
                          0600);
    return rc == 0 ? 0 : writer_lmdb_fault(work, rc);
}

static int tree_begin(struct work *work)
{
    int rc = mdb_txn_begin(work->env, NULL, 0, &work->txn);

    if (rc == 0)
        rc = mdb_dbi_open(work->txn, NULL, 0, &work->main);
    if (rc == 0)
        rc = mdb_dbi_open(work->txn, "entries", MDB_CREATE, &work->entries);
    if (rc == 0)
        rc = mdb_cursor_open(work->txn, work->entries, &work->cursor);
    return rc == 0 ? 0 : writer_lmdb_fault(work, rc);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Numbers for the categories and sources that are kept. */
static int numbers_give(struct work *work)
{
    struct bl_writer *writer = work->writer;
    const char **names = calloc(writer->source_count + 1u, sizeof *names);
    unsigned kept = 0, count = 0;

    work->source_numbers = calloc(writer->source_count + 1u, sizeof *work->source_numbers);
    if (!names || !work->source_numbers) {
        free(names);
        return writer_no_memory(work);
    }
    for (unsigned i = 0; i < writer->source_count; i++)
        if (!writer->dropped[i]) {
            work->source_numbers[i] = (uint16_t)kept;
            names[kept++] = writer->category_names[i];
        }
    qsort(names, kept, sizeof *names, by_text);
    for (unsigned i = 0; i < kept; i++) {
        if (i > 0 && strcmp(names[i], names[i - 1]) == 0)
            continue;
        if (count < BL_CATEGORY_MAX)
            work->categories[count] = names[i];
        count++;
    }
    free(names);
    if (count > BL_CATEGORY_MAX)
        return bl_error_set(work->error, -E2BIG, "more than %d categories", BL_CATEGORY_MAX);
    work->category_count = count;
    for (unsigned i = 0; i < writer->source_count; i++) {
        const char **found;

        if (writer->dropped[i])
            continue;
        found = bsearch(&writer->category_names[i], work->categories, count,
                        sizeof *work->categories, by_text);
        writer->sources[i].category = (uint16_t)(found - work->categories);
    }
    return 0;
}

static int file_finish(struct work *work)
{
    const struct bl_store *base = work->writer->options->base;
    struct bl_seal seal = {.version = BL_FORMAT_VERSION,
                           .base = base ? bl_store_generation(base) : 0,
                           .names = work->names,
                           .made = work->writer->options->now};
    MDB_envinfo info;
    MDB_stat stat;
    int rc;

    mdb_cursor_close(work->cursor);
    work->cursor = NULL;
    rc = mdb_txn_commit(work->txn);
    work->txn = NULL;
    if (rc == 0)
        rc = mdb_env_info(work->env, &info);
    if (rc == 0)
        rc = mdb_env_stat(work->env, &stat);
    if (rc != 0)
        return writer_lmdb_fault(work, rc);
    mdb_env_close(work->env);
    work->env = NULL;
    seal.page_size = stat.ms_psize;
    seal.lmdb_len = (info.me_last_pgno + 1) * (uint64_t)stat.ms_psize;
    rc = bl_seal_hash(work->fd, "the new generation", seal.lmdb_len, seal.sha256, work->error);
    if (rc < 0)
        return rc;
    return bl_seal_write(work->fd, "the new generation", &seal, work->error);
}

static int work_run(struct work *work)
{
    uint64_t records = 0, key_octets = 0, bound;
    int rc = numbers_give(work);

    if (rc == 0)
        rc = bl_runs_finish(work->writer->runs, &records, &key_octets, work->error);
    if (rc == 0)
        rc = file_make(work);
    if (rc < 0)
        return rc;
    work->total = records;
    if (work->writer->options->base)
        work->total += work->writer->options->base->name_count;
    bound = tree_bound(work, records, key_octets);
    rc = env_make(work, (bound + work->total * 64 + ROOM_FOR_LATER) / BL_PAGE * BL_PAGE);
    if (rc == 0)
        rc = writer_allocate(work, bound);
    if (rc == 0)
        rc = tree_begin(work);
    if (rc == 0)
        rc = writer_merge(work);
    if (rc == 0)
        rc = writer_values(work);
    return rc == 0 ? file_finish(work) : rc;
}

int bl_writer_run(struct bl_writer *writer, int *out_fd, struct bl_compile_result *out_result,
                  struct bl_error *error)
{
    struct work *work = calloc(1, sizeof *work);
    int rc;

    if (!work)
        return bl_error_set(error, -ENOMEM, "not enough memory to compile the lists");
    work->writer = writer;
    work->error = error;
    work->fd = -1;
    work->closing.facts = bl_facts_create();
    rc = work->closing.facts ? work_run(work) : writer_no_memory(work);
    if (rc == 0) {
        *out_fd = work->fd;
        work->fd = -1;
        out_result->names = work->names;
        out_result->prefixes = work->prefixes;
        out_result->entries = work->entry_count;
        out_result->base = writer->options->base ? bl_store_generation(writer->options->base) : 0;
    }
    if (work->cursor)
        mdb_cursor_close(work->cursor);
    if (work->txn)
        mdb_txn_abort(work->txn);
    if (work->env)
        mdb_env_close(work->env);
    if (work->fd >= 0)
        close(work->fd);
    bl_facts_destroy(work->closing.facts);
    free(work->source_numbers);
    free(work->packed);
    free(work->says);
    free(work->value);
    free(work);
    return rc;
}
