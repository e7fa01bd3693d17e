#include "resolver/control/readers.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "resolver/base/log.h"

enum { GROUPS_MOST = 64, READ = ACL_READ, PASS = ACL_EXECUTE, WRITE = ACL_WRITE };

#define ACCESS_LIST  "system.posix_acl_access" /* acl(5), xattr(7) */
#define DEFAULT_LIST "system.posix_acl_default"
#define NOBODY       UINT32_MAX /* entries without a group of their own */

static const char *const RECORDS[] = {"denials", "journal", "counts"};

struct readers {
    gid_t groups[GROUPS_MOST];
    size_t count;
};

struct list { /* as the kernel takes it */
    struct posix_acl_xattr_header header;
    struct posix_acl_xattr_entry entries[GROUPS_MOST + 4];
};

static void groups_find(struct readers *readers, const char *const *names, size_t count)
{
    char room[16384];
    struct group entry, *found;

    for (size_t i = 0; i < count && readers->count < GROUPS_MOST; i++) {
        found = NULL;
        if (getgrnam_r(names[i], &entry, room, sizeof room, &found) == 0 && found)
            readers->groups[readers->count++] = entry.gr_gid;
        else
            log_warning("there is no group \"%s\" (`roles`) on this machine; `addgroup %s` makes "
                        "one",
                        names[i], names[i]);
    }
}

static void entry_add(struct list *list, size_t *count, uint16_t tag, unsigned allowed, uint32_t id)
{
    list->entries[(*count)++] = (struct posix_acl_xattr_entry){
        .e_tag = htole16(tag), .e_perm = htole16((uint16_t)allowed), .e_id = htole32(id)};
}

/* `owner`, `group` and `other` as in a mode; `named` for each of the readers. Returns its size. */
static size_t list_make(const struct readers *readers, unsigned owner, unsigned group,
                        unsigned named, unsigned other, struct list *out_list)
{
    size_t count = 0;

    out_list->header.a_version = htole32(POSIX_ACL_XATTR_VERSION);
    entry_add(out_list, &count, ACL_USER_OBJ, owner, NOBODY);
    entry_add(out_list, &count, ACL_GROUP_OBJ, group, NOBODY);
    for (size_t i = 0; i < readers->count; i++)
        entry_add(out_list, &count, ACL_GROUP, named, readers->groups[i]);
    if (readers->count)
        entry_add(out_list, &count, ACL_MASK, group | named, NOBODY);
    entry_add(out_list, &count, ACL_OTHER, other, NOBODY);
    return sizeof out_list->header + count * sizeof *out_list->entries;
}

static int list_set(int fd, const char *kind, const struct list *list, size_t size)
{
    return fsetxattr(fd, kind, list, size, 0) < 0 ? -errno : 0;
}

/* Lock files stay writable for the daemon's own group: a reader's slot is taken there. The readers
 * copy what they read instead (segment_read.c): who may write could disturb the writer. */
static int file_admit(const struct readers *readers, int folder, const char *name)
{
    struct list list;
    struct stat status;
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), code = 0;

    if (fd < 0)
        return errno == ENOENT || errno == ELOOP ? 0 : -errno;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
        unsigned group = status.st_mode & S_IWGRP ? READ | WRITE : READ;
        code = list_set(fd, ACCESS_LIST, &list,
                        list_make(readers, READ | WRITE, group, READ, 0, &list));
    }
    close(fd);
    return code;
}

static int folder_admit(const struct readers *readers, int fd)
{
    struct list list;
    size_t size = list_make(readers, READ | WRITE | PASS, READ | PASS, READ | PASS, 0, &list);
    int code = list_set(fd, ACCESS_LIST, &list, size), copy;
    DIR *listing;

    /* Files to come: what their mode leaves of it. */
    size = list_make(readers, READ | WRITE | PASS, READ | WRITE | PASS, READ | PASS, 0, &list);
    if (code == 0 && readers->count)
        code = list_set(fd, DEFAULT_LIST, &list, size);
    else if (code == 0 && fremovexattr(fd, DEFAULT_LIST) < 0 && errno != ENODATA)
        code = -errno;
    if (code < 0)
        return code;
    copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    listing = copy < 0 ? NULL : fdopendir(copy);
    if (!listing) {
        code = -errno;
        if (copy >= 0)
            close(copy);
        return code;
    }
    for (const struct dirent *entry; code == 0 && (entry = readdir(listing));)
        code = *entry->d_name == '.' ? 0 : file_admit(readers, fd, entry->d_name);
    closedir(listing);
    return code;
}

/* The state folder is passed through; what else is in it guards itself. */
static int state_admit(const struct readers *readers, int fd)
{
    struct list list;
    struct stat status;
    unsigned group, other;

    if (fstat(fd, &status) < 0)
        return -errno;
    group = status.st_mode >> 3 & 7;
    other = status.st_mode & 7;
    if (other & PASS)
        return 0;
    return list_set(fd, ACCESS_LIST, &list,
                    list_make(readers, status.st_mode >> 6 & 7, group, PASS, other, &list));
}

static int path_admit(const struct readers *readers, const char *path,
                      int (*admit)(const struct readers *readers, int fd))
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int code = fd < 0 ? -errno : admit(readers, fd);

    if (fd >= 0)
        close(fd);
    return code;
}

void readers_admit(const char *state, const struct config *config)
{
    struct readers readers = {0};
    char path[PATH_MAX];
    int code;

    groups_find(&readers, (const char *const *)config->roles.viewer, config->roles.viewer_count);
    groups_find(&readers, (const char *const *)config->roles.manager, config->roles.manager_count);
    code = path_admit(&readers, state, state_admit);
    for (size_t i = 0; i < sizeof RECORDS / sizeof *RECORDS && code == 0; i++) {
        snprintf(path, sizeof path, "%s/%s", state, RECORDS[i]);
        if (mkdir(path, 0750) < 0 && errno != EEXIST)
            code = -errno;
        else
            code = path_admit(&readers, path, folder_admit);
    }
    if (code < 0 && readers.count)
        log_warning("the groups under `roles` cannot be let in to read the records of denials in "
                    "%s: %s; root and the user of chalkgated can read them",
                    state, strerror(-code));
}

static bool names_same(const char *const *a, size_t a_count, const char *const *b, size_t b_count)
{
    if (a_count != b_count)
        return false;
    for (size_t i = 0; i < a_count; i++) {
        if (strcmp(a[i], b[i]) != 0)
            return false;
    }
    return true;
}

bool readers_same(const struct config *a, const struct config *b)
{
    return names_same((const char *const *)a->roles.viewer, a->roles.viewer_count,
                      (const char *const *)b->roles.viewer, b->roles.viewer_count) &&
           names_same((const char *const *)a->roles.manager, a->roles.manager_count,
                      (const char *const *)b->roles.manager, b->roles.manager_count);
}
