/* `chalkgate restore FILE`: a backup in place of what is in the state folder.
 *
 * Everything is unpacked beside what is there, every database is opened and the lists are verified,
 * and only then it is put in place; what was there before is kept in a folder of its own. It needs
 * the lock of the state folder, so no resolver may run. Names that a backup does not have are
 * refused, and so are links and paths: the file may come from anywhere.
 */
#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "blocklists/guard.h"
#include "blocklists/lists.h"
#include "blocklists/store.h"
#include "resolver/policy/held.h"
#include "resolver/policy/seals.h"
#include "tools/ask.h"
#include "tools/backup.h"
#include "tools/verb.h"

enum { FILES_MOST = 10000 };

static const int64_t FILE_MOST = INT64_C(64) << 30; /* octets of one file in a backup */

struct restore {
    const char *state;
    char fresh[BACKUP_PATH], old[BACKUP_PATH]; /* what is unpacked; what was there */
    unsigned files;
    uint64_t generation;
    struct stat owner; /* of the state folder: files get the same */
    struct bl_error *error;
};

/* Exactly the names that a backup writes: nothing else in the file can have an effect. */
static bool name_is_known(const char *name)
{
    if (strcmp(name, "config.yaml") == 0 || strcmp(name, "selftest.json") == 0 ||
        strcmp(name, "state.mdb") == 0 || strcmp(name, "evidence.mdb") == 0 ||
        strcmp(name, BACKUP_HELD) == 0)
        return true;
    for (size_t i = 0; i < (size_t)BACKUP_FOLDERS; i++) {
        size_t len = strlen(backup_folders[i].name);
        if (strncmp(name, backup_folders[i].name, len) == 0 && name[len] == '/' &&
            backup_is_named(name + len + 1, backup_folders[i].form))
            return true;
    }
    return false;
}

static int entry_unpack(struct restore *restore, struct archive *archive,
                        struct archive_entry *entry)
{
    const char *name = archive_entry_pathname(entry);
    char path[BACKUP_PATH];
    int fd, code;

    if (!name || !name_is_known(name) || archive_entry_filetype(entry) != AE_IFREG)
        return bl_error_set(restore->error, -EINVAL,
                            "\"%s\" does not belong in a backup; nothing was changed",
                            name ? name : "?");
    if (++restore->files > FILES_MOST || archive_entry_size(entry) > FILE_MOST)
        return bl_error_set(restore->error, -EFBIG,
                            "%s: too much for a backup; nothing was changed", name);
    code = backup_path(path, restore->fresh, name, restore->error);
    if (code < 0)
        return code;
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (fd < 0)
        return bl_error_set(restore->error, -errno, "cannot make %s: %s", path, strerror(errno));
    if (archive_read_data_into_fd(archive, fd) != ARCHIVE_OK)
        code = bl_error_set(restore->error, -EIO, "%s cannot be unpacked: %s; nothing was changed",
                            name, archive_error_string(archive));
    if (code == 0 &&
        (fsync(fd) < 0 || fchown(fd, restore->owner.st_uid, restore->owner.st_gid) < 0))
        code = bl_error_set(restore->error, -errno, "cannot finish %s: %s", path, strerror(errno));
    close(fd);
    if (sscanf(name, "lists/%8lu.mdb", &restore->generation) == 1 && code == 0)
        (void)chmod(path, 0644); /* generations are read by whoever asks `why` */
    return code;
}

static int archive_unpack(struct restore *restore, const struct backup_options *options)
{
    struct archive *archive = archive_read_new();
    struct archive_entry *entry;
    int status, code = 0;

    if (!archive)
        return bl_error_set(restore->error, -ENOMEM, "no memory for a restore");
    archive_read_support_filter_zstd(archive);
    archive_read_support_format_tar(archive);
    archive_read_support_format_zip(archive);
    if (options->passphrase_file)
        archive_read_add_passphrase(archive, options->passphrase);
    if (archive_read_open_filename(archive, options->file, BACKUP_CHUNK) != ARCHIVE_OK)
        code = bl_error_set(restore->error, -EIO, "%s is no backup of ours: %s", options->file,
                            archive_error_string(archive));
    while (code == 0 && (status = archive_read_next_header(archive, &entry)) != ARCHIVE_EOF) {
        if (status != ARCHIVE_OK)
            code = bl_error_set(restore->error, -EIO, "%s is no whole backup of ours: %s",
                                options->file, archive_error_string(archive));
        else
            code = entry_unpack(restore, archive, entry);
    }
    if (code == 0 && !restore->files)
        code = bl_error_set(restore->error, -EINVAL, "%s is empty", options->file);
    archive_read_free(archive);
    return code;
}

static int database_check(struct restore *restore, const char *path)
{
    MDB_env *env = NULL;
    MDB_stat stat;
    int code = mdb_env_create(&env);

    if (code == 0)
        code = mdb_env_open(env, path, MDB_NOSUBDIR | MDB_RDONLY | MDB_NOLOCK, 0640);
    if (code == 0)
        code = mdb_env_stat(env, &stat);
    mdb_env_close(env);
    return code == 0
               ? 0
               : bl_error_set(restore->error, -EBADMSG, "%s is damaged: %s; nothing was changed",
                              path, mdb_strerror(code));
}

/* Sealed categories do not shrink, and an older backup is no way round that. */
static int sealed_check(struct restore *restore, const struct bl_store *store)
{
    struct bl_store *now = NULL;
    struct seals seals;
    char path[BL_PATH_MAX];
    uint64_t generation;
    int code = seals_read(restore->state, &seals, restore->error);

    if (code < 0)
        return code;
    if (seals.count > 0 && bl_lists_current(restore->state, &generation, path, NULL) == 0 &&
        bl_store_open(path, &now, NULL) == 0) {
        struct bl_guard guard = {
            .sealed = seals.names, .sealed_count = seals.count, .allow_shrink = true};
        code = held_most_read(restore->state, &guard, restore->error);
        if (code == 0)
            code = bl_guard_check(&guard, now, store, restore->error);
        free(guard.most);
    } else if (seals.count > 0) { /* what is damaged guards as long as its record is there */
        struct bl_guard guard = {.sealed = seals.names, .sealed_count = seals.count};
        held_read(restore->state, 0, &guard);
        for (size_t i = 0; guard.held && i < seals.count && code == 0; i++) {
            struct bl_guard one = {.sealed = &seals.names[i], .sealed_count = 1};
            one.held = &guard.held[i];
            if (guard.held[i].entries > 0)
                code = bl_guard_check_held(&one, store, BL_SHRINK_SEALED_PERCENT, restore->error);
        }
        free(guard.held);
    }
    if (code < 0)
        bl_error_wrap(
            restore->error, code,
            "the backup has older lists, and nothing was changed. Please choose a younger "
            "backup");
    bl_store_close(now);
    seals_free(&seals);
    return code;
}

/* Nor is it a way to have them begin to shrink anew: what they once held stays on record, and so
 * does what the backup knows of it. */
static int most_carry(struct restore *restore)
{
    struct bl_error why = {""};
    char path[BACKUP_PATH];
    int code = held_check(restore->fresh, &why);

    if (code < 0)
        return bl_error_set(restore->error, code,
                            "%s of the backup, the record of what sealed categories held, cannot "
                            "be read: %s; nothing was changed. Please choose another backup",
                            BACKUP_HELD, why.text);
    code = held_carry(restore->state, restore->fresh, restore->error);
    if (code == 0)
        code = backup_path(path, restore->fresh, BACKUP_HELD, restore->error);
    if (code == 0 && chown(path, restore->owner.st_uid, restore->owner.st_gid) < 0 &&
        errno != ENOENT)
        code = bl_error_set(restore->error, -errno, "cannot make %s: %s", path, strerror(errno));
    return code;
}

static int lists_check(struct restore *restore)
{
    char path[BACKUP_PATH], link[BACKUP_PATH], target[32];
    struct bl_store *store;
    int code;

    if (!restore->generation)
        return bl_error_set(restore->error, -EINVAL,
                            "the backup has no lists; nothing was changed");
    snprintf(target, sizeof target, "%08llu.mdb", (unsigned long long)restore->generation);
    if ((size_t)snprintf(path, sizeof path, "%s/lists/%s", restore->fresh, target) >= sizeof path ||
        (size_t)snprintf(link, sizeof link, "%s/lists/current", restore->fresh) >= sizeof link)
        return bl_error_set(restore->error, -ENAMETOOLONG, "%s is too long a path", restore->fresh);
    code = bl_store_open(path, &store, restore->error);
    if (code < 0)
        return code;
    code = bl_store_verify(store, restore->error);
    if (code == 0)
        code = sealed_check(restore, store);
    if (code == 0)
        code = most_carry(restore);
    bl_store_close(store);
    if (code == 0 && (symlink(target, link) < 0 ||
                      lchown(link, restore->owner.st_uid, restore->owner.st_gid) < 0))
        code = bl_error_set(restore->error, -errno, "cannot make %s: %s", link, strerror(errno));
    return code;
}

static int folder_check(struct restore *restore, const char *name)
{
    char path[BACKUP_PATH], folder[BACKUP_PATH];
    struct dirent *item;
    int code = backup_path(folder, restore->fresh, name, restore->error);
    DIR *open_folder = code < 0 ? NULL : opendir(folder);

    while (open_folder && code == 0 && (item = readdir(open_folder))) {
        if (!backup_is_database(item->d_name))
            continue;
        code = backup_path(path, folder, item->d_name, restore->error);
        if (code == 0)
            code = database_check(restore, path);
    }
    if (open_folder)
        closedir(open_folder);
    return code;
}

static int databases_check(struct restore *restore)
{
    static const char *const names[] = {"state.mdb", "evidence.mdb"};
    char path[BACKUP_PATH];
    int code = 0;

    for (size_t i = 0; code == 0 && i < sizeof names / sizeof *names; i++) {
        code = backup_path(path, restore->fresh, names[i], restore->error);
        if (code == 0 && access(path, F_OK) == 0)
            code = database_check(restore, path);
    }
    for (size_t i = 0; code == 0 && i < (size_t)BACKUP_FOLDERS; i++)
        if (backup_is_database(backup_folders[i].form) &&
            strcmp(backup_folders[i].name, "lists") != 0) /* lists_check() does more */
            code = folder_check(restore, backup_folders[i].name);
    return code;
}

/* Folders that no other restore has, also none of the same second: the fresh one is made. */
static int names_take(struct restore *restore)
{
    enum { WITHIN_A_SECOND = 100 };
    char stamp[32], number[16] = "";
    struct tm local;
    time_t now = time(NULL);

    localtime_r(&now, &local);
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H-%M-%S", &local);
    for (unsigned n = 2; n <= WITHIN_A_SECOND; n++) {
        char fresh[BACKUP_PATH];
        if ((size_t)snprintf(fresh, BACKUP_PATH, "%s/restoring-%s%s", restore->state, stamp,
                             number) >= BACKUP_PATH ||
            (size_t)snprintf(restore->old, BACKUP_PATH, "%s/before-restore-%s%s", restore->state,
                             stamp, number) >= BACKUP_PATH)
            return bl_error_set(restore->error, -ENAMETOOLONG, "%s is too long a path",
                                restore->state);
        snprintf(number, sizeof number, "-%u", n);
        if (access(restore->old, F_OK) == 0)
            continue;
        if (mkdir(fresh, 0750) == 0) {
            strcpy(restore->fresh, fresh); /* ours from now on, and removed if anything fails */
            return 0;
        }
        if (errno != EEXIST)
            return bl_error_set(restore->error, -errno, "cannot make %s: %s", fresh,
                                strerror(errno));
    }
    return bl_error_set(restore->error, -EEXIST, "%s: too many restores within a second",
                        restore->state);
}

static int folders_make(struct restore *restore)
{
    static const struct {
        const char *name;
        mode_t mode;
    } folders[] = {{"lists", 0755},  {"denials", 0750}, {"denials/totals", 0750},
                   {"counts", 0750}, {"allowed", 0700}, {"allowed/denials", 0750}};
    char path[BACKUP_PATH];

    if (stat(restore->state, &restore->owner) < 0)
        return bl_error_set(restore->error, -errno, "cannot look at %s: %s", restore->state,
                            strerror(errno));
    int code = names_take(restore);
    if (code < 0)
        return code;
    if (chown(restore->fresh, restore->owner.st_uid, restore->owner.st_gid) < 0)
        return bl_error_set(restore->error, -errno, "cannot give %s to its owner: %s",
                            restore->fresh, strerror(errno));
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        code = backup_path(path, restore->fresh, folders[i].name, restore->error);
        if (code < 0)
            return code;
        if (mkdir(path, folders[i].mode) < 0 ||
            chown(path, restore->owner.st_uid, restore->owner.st_gid) < 0)
            return bl_error_set(restore->error, -errno, "cannot make %s: %s", path,
                                strerror(errno));
    }
    return 0;
}

/* Where allowed questions are not recorded one by one, nothing looks as if they were. */
static void empty_remove(const struct restore *restore)
{
    static const char *const names[] = {"allowed/denials", "allowed"};
    char path[BACKUP_PATH];

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (backup_path(path, restore->fresh, names[i], NULL) == 0)
            (void)rmdir(path);
}

/* What was destroyed of the records that were there, and not told yet (receipt.h): told in the
 * change log of the backup, it would be of records that are there. */
static int receipt_put_aside(struct restore *restore)
{
    char now[BACKUP_PATH], before[BACKUP_PATH];
    int code = backup_path(now, restore->state, ".receipt", restore->error);

    if (code == 0)
        code = backup_path(before, restore->old, ".receipt", restore->error);
    if (code == 0 && rename(now, before) < 0 && errno != ENOENT)
        code =
            bl_error_set(restore->error, -errno, "cannot put %s aside: %s", now, strerror(errno));
    return code;
}

/* Each part changes places by two renames. Should the machine stop in between, the rest is still in
 * one of the two folders, and the resolver does not start on half a state: lists come last. */
static int parts_exchange(struct restore *restore)
{
    char now[BACKUP_PATH], before[BACKUP_PATH], fresh[BACKUP_PATH], lock[BACKUP_PATH];

    if (mkdir(restore->old, 0750) < 0 ||
        chown(restore->old, restore->owner.st_uid, restore->owner.st_gid) < 0)
        return bl_error_set(restore->error, -errno, "cannot make %s: %s", restore->old,
                            strerror(errno));
    for (size_t i = (size_t)BACKUP_PARTS; i-- > 0;) {
        if (backup_path(now, restore->state, backup_parts[i], restore->error) < 0 ||
            backup_path(before, restore->old, backup_parts[i], restore->error) < 0)
            return -ENAMETOOLONG;
        if (rename(now, before) < 0 && errno != ENOENT)
            return bl_error_set(restore->error, -errno, "cannot put %s aside: %s", now,
                                strerror(errno));
        if (backup_is_database(backup_parts[i]) &&
            (size_t)snprintf(lock, sizeof lock, "%s-lock", now) < sizeof lock)
            unlink(lock);
    }
    if (receipt_put_aside(restore) < 0)
        return -EIO;
    for (size_t i = 0; i < (size_t)BACKUP_PARTS; i++) {
        if (backup_path(now, restore->state, backup_parts[i], restore->error) < 0 ||
            backup_path(fresh, restore->fresh, backup_parts[i], restore->error) < 0)
            return -ENAMETOOLONG;
        if (rename(fresh, now) < 0 && errno != ENOENT)
            return bl_error_set(restore->error, -errno, "cannot put %s in place: %s", now,
                                strerror(errno));
    }
    if (backup_path(now, restore->state, "config.yaml.restored", restore->error) == 0 &&
        backup_path(fresh, restore->fresh, "config.yaml", restore->error) == 0 &&
        rename(fresh, now) < 0)
        return bl_error_set(restore->error, -errno, "cannot put %s in place: %s", now,
                            strerror(errno));
    rmdir(restore->fresh);
    return 0;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

static int restore_all(struct restore *restore, const struct backup_options *options)
{
    int code = folders_make(restore);

    if (code == 0)
        code = archive_unpack(restore, options);
    if (code == 0)
        code = databases_check(restore);
    if (code == 0)
        code = lists_check(restore);
    if (code < 0) {
        if (*restore->fresh)
            nftw(restore->fresh, remove_one, 8, FTW_DEPTH | FTW_PHYS);
        return code;
    }
    empty_remove(restore);
    return parts_exchange(restore);
}

static const struct argp restore_argp = {
    .options = backup_option_table,
    .parser = backup_options_parse,
    .args_doc = "FILE",
    .doc = "Puts a backup in place of what is in the state folder, which is kept in a folder of "
           "its own "
           "beside it. Everything is unpacked and checked first. Please stop chalkgated before.",
};

static enum exit_code run_restore(struct command *command, int argc, char **argv)
{
    struct backup_options options = {0};
    struct bl_error error = {0};
    struct restore restore = {.error = &error};
    int failed = verb_parse(&restore_argp, argc, argv, &options), lock, code;

    if (failed)
        return (enum exit_code)(failed - 1);
    restore.state = command_state(command);
    if (!restore.state)
        return EXIT_USAGE;
    if (ask_may_read(command, "restore", "state.mdb") != EXIT_DONE)
        return EXIT_NOT_ALLOWED;
    if (backup_passphrase_read(&options, &error) < 0)
        return command_fail(EXIT_USAGE, "%s", error.text);
    code = bl_lists_lock(restore.state, &lock, &error);
    if (code < 0)
        return command_fail(EXIT_FAILED, "%s", error.text);
    code = restore_all(&restore, &options);
    explicit_bzero(options.passphrase, sizeof options.passphrase);
    close(lock);
    if (code < 0)
        return command_fail(code == -EPERM ? EXIT_NOT_ALLOWED : EXIT_FAILED, "%s", error.text);
    if (command->json)
        printf("{\"files\": %u, \"generation\": %llu}\n", restore.files,
               (unsigned long long)restore.generation);
    else
        printf("%u files are back; list generation %llu is in force.\nWhat was there before is in "
               "%s.\n"
               "The configuration of the backup is %s/config.yaml.restored.\n",
               restore.files, (unsigned long long)restore.generation, restore.old, restore.state);
    return EXIT_DONE;
}

const struct verb verb_restore = {
    "restore", "puts a backup in place of the state folder's contents", run_restore};
