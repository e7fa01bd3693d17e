/* Which names lists must not deny here: tools/import.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/import.h"

/* The clocks and updates of what is likely to be in a school, whatever this machine uses; and what
 * is below them, for they have servers by the dozen: 2.debian.pool.ntp.org. */
static const char *const everybodys[] = {
    "pool.ntp.org",         "ntp.org",          "time.windows.com",    "time.apple.com",
    "time.google.com",      "deb.debian.org",   "security.debian.org", "windowsupdate.com",
    "update.microsoft.com", "swscan.apple.com",
};

static const char clock_reason[] = "a server of the time or of updates";

static int text_add(struct bl_protect *protect, const char *text, size_t len, bool whole_zone,
                    const char *reason)
{
    struct bl_name name;

    if (bl_name_parse(text, len, &name) != BL_NAME_FINE)
        return 0;
    return bl_protect_add(protect, name.wire, whole_zone, reason);
}

/* The host of a URL. */
static int url_add(struct bl_protect *protect, const char *url, const char *reason)
{
    const char *host = strstr(url, "://");

    if (!host)
        return 0;
    host += 3;
    return text_add(protect, host, strcspn(host, "/:?# \t\r\n"), false, reason);
}

static int config_add(struct bl_protect *protect, const struct config *config)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < config->upstream_count; i++) {
        if (config->upstreams[i].host)
            rc = bl_protect_add(protect, config->upstreams[i].host_wire, false,
                                "a server that questions are forwarded to");
        if (rc == 0 && config->upstreams[i].tls_name)
            rc = text_add(protect, config->upstreams[i].tls_name,
                          strlen(config->upstreams[i].tls_name), false,
                          "a server that questions are forwarded to");
    }
    for (size_t i = 0; rc == 0 && i < config->forward_zone_count; i++)
        rc = bl_protect_add(protect, config->forward_zones[i].wire, true,
                            "a zone of the school's own (`forward-zones`)");
    for (size_t i = 0; rc == 0 && i < config->record_count; i++)
        rc = bl_protect_add(protect, config->records[i].wire, false,
                            "a name of the school's own (`records`)");
    for (size_t i = 0; rc == 0 && i < config->category_count; i++)
        for (size_t s = 0; rc == 0 && s < config->categories[i].source_count; s++)
            rc = url_add(protect, config->categories[i].sources[s].location,
                         "a server that lists are downloaded from");
    return rc;
}

/* A line of a time or package configuration: a server's name behind a keyword, or a URL anywhere.
 */
static int line_add(struct bl_protect *protect, char *line)
{
    static const char *const keywords[] = {"server", "pool", "peer", "NTP", "FallbackNTP", NULL};
    char *rest = line, *word;
    bool names_follow = false;
    int rc = 0;

    while (rc == 0 && (word = strsep(&rest, " \t\r\n=,"))) {
        if (*word == '#' || *word == ';')
            return 0;
        if (strstr(word, "://"))
            rc = url_add(protect, word, clock_reason);
        else if (names_follow && strchr(word, '.'))
            rc = text_add(protect, word, strlen(word), false, clock_reason);
        for (size_t i = 0; keywords[i]; i++)
            names_follow |= strcmp(word, keywords[i]) == 0;
    }
    return rc;
}

/* What this machine itself is set to ask. Files that are not there say nothing. */
static int machine_add(struct bl_protect *protect)
{
    static const char *const files[] = {
        "/etc/apt/sources.list",       "/etc/apt/sources.list.d/debian.sources",
        "/etc/systemd/timesyncd.conf", "/etc/chrony/chrony.conf",
        "/etc/ntpsec/ntp.conf",        "/etc/ntp.conf",
    };
    char line[1024];
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < sizeof files / sizeof *files; i++) {
        FILE *file = fopen(files[i], "re");

        while (file && rc == 0 && fgets(line, sizeof line, file))
            rc = line_add(protect, line);
        if (file)
            fclose(file);
    }
    return rc;
}

struct bl_protect *import_protect(const struct config *config)
{
    struct bl_protect *protect = bl_protect_create();
    int rc = protect ? config_add(protect, config) : -1;

    if (rc == 0)
        rc = machine_add(protect);
    for (size_t i = 0; rc == 0 && i < sizeof everybodys / sizeof *everybodys; i++)
        rc = text_add(protect, everybodys[i], strlen(everybodys[i]), true, clock_reason);
    if (rc == 0)
        return protect;
    bl_protect_destroy(protect);
    return NULL;
}
