#include "resolver/control/caller.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void user_name(uid_t uid, char name[CONTROL_USER_MAX])
{
    char room[4096];
    struct passwd entry, *found = NULL;

    if (getpwuid_r(uid, &entry, room, sizeof room, &found) == 0 && found)
        snprintf(name, CONTROL_USER_MAX, "%s", entry.pw_name);
    else
        snprintf(name, CONTROL_USER_MAX, "%u", (unsigned)uid);
}

static bool file_read(int folder, const char *name, char *text, size_t size)
{
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, size - 1);

    if (fd >= 0)
        close(fd);
    text[got > 0 ? got : 0] = '\0';
    return got > 0;
}

/* Whether the process is of this user: its second number is the user that the socket tells. */
static bool is_of(int process, uid_t uid)
{
    char text[4096];
    const char *line =
        file_read(process, "status", text, sizeof text) ? strstr(text, "\nUid:") : NULL;
    unsigned effective;

    return line && sscanf(line, "\nUid: %*u %u", &effective) == 1 && effective == uid;
}

/* Who signed on at the terminal: unchanged by sudo and su, set by PAM (pam_loginuid). A process
 * that ends while it is looked at leaves the uid of the socket, which is never wrong, only less
 * telling. So does one of another user: the caller has ended, its child has the socket, and its
 * number is somebody else's by now. */
static uid_t login_of(pid_t pid, uid_t uid)
{
    char path[64], text[32] = "";
    unsigned long value = 0;
    int process;

    snprintf(path, sizeof path, "/proc/%d", (int)pid);
    process =
        open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* of this process only, from here on */
    if (process < 0)
        return (uid_t)-1;
    if (is_of(process, uid) && file_read(process, "loginuid", text, sizeof text))
        value = strtoul(text, NULL, 10);
    close(process);
    return text[0] >= '0' && text[0] <= '9' ? (uid_t)value : (uid_t)-1;
}

static bool is_member(const struct caller *caller, const char *const *groups, size_t count)
{
    char room[16384];
    struct group entry, *found;

    for (size_t i = 0; i < count; i++) {
        found = NULL;
        if (getgrnam_r(groups[i], &entry, room, sizeof room, &found) != 0 || !found)
            continue;
        if (entry.gr_gid == caller->gid)
            return true;
        for (size_t j = 0; j < caller->group_count; j++)
            if (entry.gr_gid == caller->groups[j])
                return true;
    }
    return false;
}

static enum control_role role_of(const struct caller *caller, const struct config *config)
{
    const struct config_roles *roles = &config->roles;

    if (caller->uid == 0 || caller->uid == geteuid() ||
        is_member(caller, (const char *const *)roles->manager, roles->manager_count))
        return ROLE_MANAGER;
    if (is_member(caller, (const char *const *)roles->viewer, roles->viewer_count))
        return ROLE_VIEWER;
    return ROLE_ANYONE;
}

int caller_read(int fd, const struct config *config, struct caller *out_caller,
                struct bl_error *error)
{
    struct caller caller = {0};
    struct ucred credentials;
    socklen_t len = sizeof credentials;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &len) < 0)
        return bl_error_set(error, -errno, "cannot tell who is asking: %s", strerror(errno));
    caller.pid = credentials.pid;
    caller.uid = credentials.uid;
    caller.gid = credentials.gid;
    len = sizeof caller.groups;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, caller.groups, &len) < 0)
        return bl_error_set(error, -errno, "cannot tell the groups of who is asking: %s",
                            strerror(errno));
    caller.group_count = len / sizeof(gid_t);
    caller.login_uid = login_of(caller.pid, caller.uid);
    user_name(caller.uid, caller.user);
    if (caller.login_uid == (uid_t)-1)
        memcpy(caller.login, caller.user, sizeof caller.login);
    else
        user_name(caller.login_uid, caller.login);
    caller.role = role_of(&caller, config);
    *out_caller = caller;
    return 0;
}
