/* `chalkgate backup FILE`: the state of a school in one file, taken while the resolver runs.
 *
 * It holds the configuration, the list generation in force with the record of what sealed
 * categories ever held, the policy's state, incidents, the day
 * segments of denials (and of allowed questions, where those are recorded), counts and the totals
 * of days, which outlive the segments: LMDB files as copies of one committed state each
 * (mdb_env_copy), whatever is written meanwhile. What retention removes meanwhile is left out and
 * told. Denials of the last second, which stand in a journal only, are in the next backup. Keys of
 * pseudonyms are left out: whoever has a backup shall not be able to tell whose its records are,
 * and a key that was destroyed shall not come back. Records come before the change log: when
 * retention runs meanwhile, nothing is gone of which the log does not tell. Without a passphrase it
 * is a tar file compressed with zstd; with one a zip file whose entries are encrypted with AES-256,
 * which other programs can open too.
 */
#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blocklists/lists.h"
#include "tools/act_here.h"
#include "tools/ask.h"
#include "tools/backup.h"
#include "tools/lists.h"
#include "tools/verb.h"

enum { PASSPHRASE_LEAST = 12, COPY_TRIES = 20 };

const char *const backup_parts[BACKUP_PARTS] = {
    "denials", "counts", "allowed", "state.mdb", "evidence.mdb", "selftest.json", "lists"};

const struct backup_folder backup_folders[BACKUP_FOLDERS] = {
    {"lists", "00000000.mdb", false},      {"denials", "0000-00-00.mdb", true},
    {"denials", "0000-00-00.json", false}, {"denials/totals", "0000-00-00.json", false},
    {"counts", "0000-00-00.mdb", false},   {"allowed/denials", "0000-00-00.mdb", true},
};

bool backup_is_named(const char *name, const char *form)
{
    for (; *form; form++, name++)
        if (*form == '0' ? *name < '0' || *name > '9' : *name != *form)
            return false;
    return *name == '\0';
}

error_t backup_options_parse(int key, char *value, struct argp_state *state)
{
    struct backup_options *options = state->input;

    switch (key) {
    case 'p':
        options->passphrase_file = value;
        return 0;
    case ARGP_KEY_ARG:
        if (options->file)
            argp_error(state, "one file at a time, please");
        options->file = value;
        return 0;
    case ARGP_KEY_END:
        if (!options->file)
            argp_error(state, "please name the file");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp_option backup_option_table[] = {
    {"passphrase-file", 'p', "FILE", 0, "encrypt, or decrypt, with the first line of FILE", 0},
    {0},
};

int backup_passphrase_read(struct backup_options *options, struct bl_error *error)
{
    FILE *file;

    if (!options->passphrase_file)
        return 0;
    file = fopen(options->passphrase_file, "re");
    if (!file)
        return bl_error_set(error, -errno, "cannot read the passphrase from %s: %s",
                            options->passphrase_file, strerror(errno));
    if (!fgets(options->passphrase, sizeof options->passphrase, file))
        options->passphrase[0] = '\0';
    fclose(file);
    options->passphrase[strcspn(options->passphrase, "\r\n")] = '\0';
    if (strlen(options->passphrase) < PASSPHRASE_LEAST)
        return bl_error_set(error, -EINVAL,
                            "the first line of %s should be a passphrase of at least %d characters",
                            options->passphrase_file, PASSPHRASE_LEAST);
    return 0;
}

int backup_path(char out[BACKUP_PATH], const char *folder, const char *name, struct bl_error *error)
{
    if ((size_t)snprintf(out, BACKUP_PATH, "%s/%s", folder, name) >= BACKUP_PATH)
        return bl_error_set(error, -ENAMETOOLONG, "%s/%s is too long a path", folder, name);
    return 0;
}

struct backup {
    struct archive *archive;
    const char *state;
    char scratch[BACKUP_PATH]; /* where a copy of a database is made first */
    unsigned files;
    int64_t octets;
    json_t *gone; /* names of what was removed meanwhile */
    struct bl_error *error;
};

static int archive_fault(struct backup *backup, const char *name)
{
    const char *why = archive_error_string(backup->archive);

    return bl_error_set(backup->error, -EIO, "cannot write %s to the backup: %s", name,
                        why ? why : "unknown reason");
}

static int file_add(struct backup *backup, const char *path, const char *name)
{
    struct archive_entry *entry = NULL;
    char *chunk = malloc(BACKUP_CHUNK);
    int fd = open(path, O_RDONLY | O_CLOEXEC), code = 0;
    struct stat status;
    ssize_t got;

    if (fd < 0 || fstat(fd, &status) < 0 || !chunk) {
        code = bl_error_set(backup->error, -errno, "cannot read %s: %s", path, strerror(errno));
        goto end;
    }
    entry = archive_entry_new();
    archive_entry_set_pathname(entry, name);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0640);
    archive_entry_set_size(entry, status.st_size);
    archive_entry_set_mtime(entry, status.st_mtime, 0);
    if (archive_write_header(backup->archive, entry) != ARCHIVE_OK)
        code = archive_fault(backup, name);
    while (code == 0 && (got = read(fd, chunk, BACKUP_CHUNK)) != 0) {
        if (got < 0)
            code = bl_error_set(backup->error, -errno, "cannot read %s: %s", path, strerror(errno));
        else if (archive_write_data(backup->archive, chunk, (size_t)got) != got)
            code = archive_fault(backup, name);
    }
    backup->files++;
    backup->octets += status.st_size;
end:
    archive_entry_free(entry);
    if (fd >= 0)
        close(fd);
    free(chunk);
    return code;
}

/* Opens a database for reading. The writer of day segments keeps a table of readers beside each
 * (NAME-lock), and so do we: as the owner of the state folder, since the resolver could not open a
 * table that is root's. */
static int database_open(const struct backup *backup, const char *path, bool has_readers,
                         MDB_env **out_env)
{
    MDB_env *env = NULL;
    unsigned flags = MDB_NOSUBDIR | MDB_RDONLY | (has_readers ? 0 : MDB_NOLOCK);
    int rc = mdb_env_create(&env);

    if (rc == 0) {
        act_owner_enter(backup->state);
        rc = mdb_env_open(env, path, flags, 0660);
        act_owner_leave();
    }
    if (rc == 0)
        *out_env = env;
    else
        mdb_env_close(env);
    return rc;
}

/* The state of the policy has no readers but its writer (resolver/policy/state.c). Its pages are
 * not written again before the second commit after the state that they belong to: a copy during
 * which there was no more than one is whole. EAGAIN where there were more. */
static int database_copy(const struct backup *backup, const char *path, bool has_readers)
{
    MDB_envinfo before, after;
    MDB_env *env;
    int rc = database_open(backup, path, has_readers, &env), fd;

    if (rc != 0)
        return rc;
    unlink(backup->scratch);
    fd = open(backup->scratch, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    mdb_env_info(env, &before);
    rc = fd < 0 ? errno : mdb_env_copyfd2(env, fd, MDB_CP_COMPACT);
    mdb_env_info(env, &after);
    mdb_env_close(env);
    if (fd >= 0)
        close(fd);
    if (rc == MDB_MAP_RESIZED) /* it grew after we had mapped it */
        return EAGAIN;
    return rc == 0 && !has_readers && after.me_last_txnid > before.me_last_txnid + 1 ? EAGAIN : rc;
}

/* One committed state of a database that may be written to meanwhile. -ENOENT where it is gone. */
static int database_add(struct backup *backup, const char *path, const char *name, bool has_readers)
{
    int rc = EAGAIN, code;

    for (unsigned i = 0; i < COPY_TRIES && rc == EAGAIN; i++)
        rc = database_copy(backup, path, has_readers);
    if (rc == 0)
        code = file_add(backup, backup->scratch, name);
    else if (rc == EAGAIN)
        code =
            bl_error_set(backup->error, -EAGAIN,
                         "%s is written to faster than it can be copied; please try again", path);
    else
        code = bl_error_set(backup->error, rc == ENOENT ? -ENOENT : -EIO, "cannot copy %s: %s",
                            path, mdb_strerror(rc));
    unlink(backup->scratch);
    return code;
}

/* Records whose time is over go whenever retention runs: what was still there when the folder was
 * read may be gone a moment later. */
static bool is_gone(struct backup *backup, int code, const char *path, const char *name)
{
    if (code != -ENOENT || access(path, F_OK) == 0 || errno != ENOENT)
        return false;
    json_array_append_new(backup->gone, json_string(name));
    return true;
}

static int folder_add(struct backup *backup, const struct backup_folder *folder)
{
    char place[BACKUP_PATH], path[BACKUP_PATH], name[BACKUP_PATH];
    struct dirent *item;
    int code = backup_path(place, backup->state, folder->name, backup->error);
    DIR *open_folder = code < 0 ? NULL : opendir(place);

    if (!open_folder)
        return code;
    while (code == 0 && (item = readdir(open_folder))) {
        if (!backup_is_named(item->d_name, folder->form))
            continue;
        code = backup_path(path, place, item->d_name, backup->error);
        if (code == 0)
            code = backup_path(name, folder->name, item->d_name, backup->error);
        if (code == 0)
            code = folder->copied ? database_add(backup, path, name, true)
                                  : file_add(backup, path, name);
        if (is_gone(backup, code, path, name))
            code = 0;
    }
    closedir(open_folder);
    return code;
}

/* The folders of a part that is one. */
static int folders_add(struct backup *backup, const char *part)
{
    size_t len = strlen(part);
    int code = 0;

    for (size_t i = 0; code == 0 && i < (size_t)BACKUP_FOLDERS; i++) {
        const char *name = backup_folders[i].name;
        if (strncmp(name, part, len) == 0 && (name[len] == '/' || name[len] == '\0'))
            code = folder_add(backup, &backup_folders[i]);
    }
    return code;
}

static int generation_add(struct backup *backup)
{
    char path[BL_PATH_MAX], name[64];
    uint64_t generation;
    int code = -ENOENT;

    /* Where other lists come into force at that moment, the file of these may be gone. */
    for (unsigned i = 0; i < COPY_TRIES && code == -ENOENT; i++) {
        code = bl_lists_current(backup->state, &generation, path, backup->error);
        if (code < 0)
            return code == -ENOENT ? 0 : code;
        snprintf(name, sizeof name, "lists/%08llu.mdb", (unsigned long long)generation);
        code = file_add(backup, path, name);
    }
    return code;
}

/* The record of what sealed categories ever held (resolver/policy/held.h). */
static int held_add(struct backup *backup)
{
    char path[BACKUP_PATH];
    int code = backup_path(path, backup->state, BACKUP_HELD, backup->error);

    return code < 0 || access(path, F_OK) < 0 ? code : file_add(backup, path, BACKUP_HELD);
}

static int part_add(struct backup *backup, const char *part)
{
    char path[BACKUP_PATH];
    int code = backup_path(path, backup->state, part, backup->error);

    if (code < 0)
        return code;
    if (strcmp(part, "lists") == 0) {
        code = generation_add(backup);
        return code < 0 ? code : held_add(backup);
    }
    if (!strchr(part, '.'))
        return folders_add(backup, part);
    if (access(path, F_OK) < 0)
        return 0;
    return backup_is_database(part) ? database_add(backup, path, part, false)
                                    : file_add(backup, path, part);
}

static int archive_begin(struct backup *backup, const struct backup_options *options, int fd)
{
    struct archive *archive = backup->archive = archive_write_new();
    bool fine;

    if (!archive)
        return bl_error_set(backup->error, -ENOMEM, "no memory for a backup");
    if (options->passphrase_file)
        fine = archive_write_set_format_zip(archive) == ARCHIVE_OK &&
               archive_write_set_options(archive, "zip:encryption=aes256") == ARCHIVE_OK &&
               archive_write_set_passphrase(archive, options->passphrase) == ARCHIVE_OK;
    else
        fine = archive_write_add_filter_zstd(archive) == ARCHIVE_OK &&
               archive_write_set_format_pax_restricted(archive) == ARCHIVE_OK;
    if (!fine || archive_write_open_fd(archive, fd) != ARCHIVE_OK)
        return archive_fault(backup, "anything");
    return 0;
}

static int backup_write(struct backup *backup, const struct backup_options *options,
                        const char *config_path, int fd)
{
    int code = archive_begin(backup, options, fd);

    if (code == 0)
        code = file_add(backup, config_path, "config.yaml");
    for (size_t i = 0; code == 0 && i < (size_t)BACKUP_PARTS; i++)
        code = part_add(backup, backup_parts[i]);
    if (code == 0 && archive_write_close(backup->archive) != ARCHIVE_OK)
        code = archive_fault(backup, "its end");
    if (code == 0 && fsync(fd) < 0 && errno != EINVAL)
        code = bl_error_set(backup->error, -errno, "cannot finish %s: %s", options->file,
                            strerror(errno));
    return code;
}

static const struct argp backup_argp = {
    .options = backup_option_table,
    .parser = backup_options_parse,
    .args_doc = "FILE",
    .doc =
        "Writes the configuration, the lists in force, the policy with its history, incidents "
        "and all records and totals to FILE, while the resolver runs. The keys of pseudonyms are "
        "left out, so that nobody can tell by it whose the records are: they need a copy of "
        "their own. Records whose time is over while it is made are left out, and named. Please "
        "keep it encrypted (with --passphrase-file), off site, and try a "
        "restore now and then.",
};

static void backup_tell(const struct backup *backup, const struct backup_options *options,
                        bool as_json)
{
    const json_t *name;
    size_t i;

    if (as_json) {
        json_print(json_pack("{s:I, s:I, s:b, s:O}", "files", (json_int_t)backup->files, "octets",
                             (json_int_t)backup->octets, "encrypted",
                             options->passphrase_file != NULL, "gone", backup->gone));
        return;
    }
    printf("%u files, %lld MiB before compression, are in %s%s.\n", backup->files,
           (long long)(backup->octets >> 20), options->file,
           options->passphrase_file ? ", encrypted" : "; it is not encrypted");
    if (json_array_size(backup->gone) > 0)
        puts("Left out, as they were removed while the backup was made:");
    json_array_foreach(backup->gone, i, name) printf("  %s\n", json_string_value(name));
}

static enum exit_code run_backup(struct command *command, int argc, char **argv)
{
    struct backup_options options = {0};
    struct bl_error error = {0};
    struct backup backup = {.error = &error};
    char fresh[BACKUP_PATH];
    int failed = verb_parse(&backup_argp, argc, argv, &options), fd, code;
    struct config *config;

    if (failed)
        return (enum exit_code)(failed - 1);
    config = command_config(command);
    backup.state = command_state(command);
    if (!config || !backup.state)
        return EXIT_USAGE;
    if (ask_may_read(command, "backup", "state.mdb") != EXIT_DONE)
        return EXIT_NOT_ALLOWED;
    command_yield();
    if (backup_passphrase_read(&options, &error) < 0)
        return command_fail(EXIT_USAGE, "%s", error.text);
    snprintf(fresh, sizeof fresh, "%s.part", options.file);
    snprintf(backup.scratch, sizeof backup.scratch, "%s.copy", options.file);
    fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return command_fail(EXIT_FAILED, "cannot make %s: %s", fresh, strerror(errno));
    backup.gone = json_array();
    code = backup_write(&backup, &options, config->path, fd);
    archive_write_free(backup.archive);
    close(fd);
    if (code == 0 && rename(fresh, options.file) < 0)
        code = bl_error_set(&error, -errno, "cannot put %s in place: %s", options.file,
                            strerror(errno));
    explicit_bzero(options.passphrase, sizeof options.passphrase);
    if (code < 0)
        unlink(fresh);
    else
        backup_tell(&backup, &options, command->json);
    json_decref(backup.gone);
    return code < 0 ? command_fail(EXIT_FAILED, "%s", error.text) : EXIT_DONE;
}

const struct verb verb_backup = {
    "backup", "writes the whole state to a file, while the resolver runs", run_backup};
