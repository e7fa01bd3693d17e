#include "resolver/control/privileges.h"

#include <errno.h>
#include <ftw.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "resolver/base/log.h"

enum { OPEN_FOLDERS = 16 };

/* nftw(3) has no room for an argument. */
static uid_t owner_uid;
static gid_t owner_gid;

static int user_find(const char *user, uid_t *out_uid, gid_t *out_gid, struct bl_error *error)
{
    const struct passwd *entry;

    errno = 0;
    entry = getpwnam(user);
    if (!entry)
        return bl_error_set(
            error, errno ? -errno : -ENOENT,
            "there is no user \"%s\" (`user` in config.yaml) on this machine; `adduser "
            "--system --group --no-create-home %s` makes one",
            user, user);
    *out_uid = entry->pw_uid;
    *out_gid = entry->pw_gid;
    return 0;
}

static int owner_set(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)place;
    if (kind == FTW_NS || kind == FTW_DNR)
        return 0;
    if (status->st_uid == owner_uid && status->st_gid == owner_gid)
        return 0;
    /* A second link could lead to somebody else's file. */
    if (!S_ISDIR(status->st_mode) && status->st_nlink > 1)
        return 0;
    return lchown(path, owner_uid, owner_gid) < 0 && errno != ENOENT ? -errno : 0;
}

int privileges_own(const char *state, const char *user, struct bl_error *error)
{
    int code;

    if (geteuid() != 0 || !user)
        return 0;
    code = user_find(user, &owner_uid, &owner_gid, error);
    if (code < 0 || owner_uid == 0)
        return code;
    code = nftw(state, owner_set, OPEN_FOLDERS, FTW_PHYS | FTW_MOUNT);
    if (code)
        return bl_error_set(error, code < -1 ? code : -errno,
                            "cannot give the state folder %s to the user \"%s\": %s", state, user,
                            strerror(code < -1 ? -code : errno));
    return 0;
}

static int user_become(const char *user, struct bl_error *error)
{
    uid_t uid;
    gid_t gid;
    int code = user_find(user, &uid, &gid, error);

    if (code < 0)
        return code;
    /* Capabilities are kept for the moment: giving up the bounding set takes one. */
    if (uid != 0 && (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || initgroups(user, gid) < 0 ||
                     setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0))
        return bl_error_set(error, -errno, "cannot become the user \"%s\": %s", user,
                            strerror(errno));
    if (uid != 0 && setuid(0) == 0)
        return bl_error_set(error, -EPERM, "could become root again; this must not be");
    return 0;
}

static int capabilities_set(bool setpcap)
{
    static const cap_value_t SETPCAP = CAP_SETPCAP;
    cap_t wanted = cap_init();
    int code = 0;

    if (!wanted ||
        (setpcap && (cap_set_flag(wanted, CAP_PERMITTED, 1, &SETPCAP, CAP_SET) < 0 ||
                     cap_set_flag(wanted, CAP_EFFECTIVE, 1, &SETPCAP, CAP_SET) < 0)) ||
        cap_set_proc(wanted) < 0)
        code = -errno;
    cap_free(wanted);
    return code;
}

/* No capability now, none to be had by executing anything. */
static int capabilities_drop(struct bl_error *error)
{
    int code;

    /* The bounding set as far as we may: that takes a capability which an ordinary user lacks. */
    if (capabilities_set(true) == 0)
        for (cap_value_t value = 0; cap_get_bound(value) >= 0; value++)
            (void)cap_drop_bound(value);
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    code = capabilities_set(false);
    if (code < 0)
        return bl_error_set(error, code, "cannot give up capabilities: %s", strerror(-code));
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return bl_error_set(error, -errno, "cannot forgo new privileges: %s", strerror(errno));
    return 0;
}

int privileges_drop(const char *user, struct bl_error *error)
{
    int code = 0;

    if (geteuid() == 0 && !user)
        log_warning(
            "running as root, though without its powers; please name an ordinary user under "
            "`user` in the configuration, such as \"chalkgate\"");
    if (geteuid() == 0 && user)
        code = user_become(user, error);
    return code < 0 ? code : capabilities_drop(error);
}
