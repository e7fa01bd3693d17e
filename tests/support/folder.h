/* Folders of a test's own, below $TMPDIR or /tmp, that go again: by folder_drop(), and those that
 * are left then, as where a set-up failed, when the process that made them ends. Whoever cannot
 * make one ends with a word why.
 */
#ifndef TESTS_SUPPORT_FOLDER_H
#define TESTS_SUPPORT_FOLDER_H

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Short, so that a socket in one has a path that the kernel takes. */
enum { FOLDER_ROOM = 64, FOLDERS_MAX = 16 };

static char folders_made[FOLDERS_MAX][FOLDER_ROOM]; /* "" where none is */
static pid_t folders_owner;                         /* a child's end leaves them */

static inline const char *folder_base(void)
{
    const char *base = getenv("TMPDIR");

    return base != NULL && *base != '\0' ? base : "/tmp";
}

static inline int folder_entry_remove(const char *path, const struct stat *status, int type,
                                      struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

/* With all that is in it. */
static inline void folder_drop(const char *path)
{
    nftw(path, folder_entry_remove, 16, FTW_DEPTH | FTW_PHYS);
    for (int i = 0; i < FOLDERS_MAX; i++)
        if (strcmp(folders_made[i], path) == 0)
            folders_made[i][0] = '\0';
}

static inline void folders_drop(void)
{
    for (int i = 0; i < FOLDERS_MAX && getpid() == folders_owner; i++)
        if (folders_made[i][0] != '\0')
            folder_drop(folders_made[i]);
}

/* `path` has room for FOLDER_ROOM octets. */
static inline void folder_make(char *path)
{
    int at = 0;

    while (at < FOLDERS_MAX && folders_made[at][0] != '\0')
        at++;
    if (snprintf(path, FOLDER_ROOM, "%s/chalkgate-test-XXXXXX", folder_base()) >= FOLDER_ROOM) {
        fprintf(stderr, "TMPDIR is too long for tests: %s\n", folder_base());
        abort();
    }
    if (at == FOLDERS_MAX || mkdtemp(path) == NULL) {
        fprintf(stderr, "%s: %s\n", path,
                at == FOLDERS_MAX ? "too many folders at a time" : strerror(errno));
        abort();
    }
    if (folders_owner == 0) {
        folders_owner = getpid();
        atexit(folders_drop);
    }
    strcpy(folders_made[at], path);
}

#endif
