/* `chalkgate lists export`: a category written as a list again. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tools/lists.h"

enum export_format { EXPORT_DOMAINS, EXPORT_HOSTS, EXPORT_RPZ };

struct export_arguments {
    const char *category;
    enum export_format format;
};

static error_t export_parse(int key, char *value, struct argp_state *state)
{
    static const char *const names[] = {"domains", "hosts", "rpz"};
    struct export_arguments *arguments = state->input;

    switch (key) {
    case 'f':
        for (unsigned i = 0; i < 3; i++)
            if (strcmp(value, names[i]) == 0) {
                arguments->format = (enum export_format)i;
                return 0;
            }
        argp_error(state, "lists are exported as domains, hosts or rpz, not as \"%s\"", value);
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->category)
            argp_error(state, "one category at a time, please");
        arguments->category = value;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "please name the category to export");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option export_table[] = {
    {"format", 'f', "NAME", 0, "domains (as a rule), hosts, or rpz", 0},
    {0},
};

static const struct argp export_argp = {
    .options = export_table,
    .parser = export_parse,
    .args_doc = "CATEGORY",
    .doc =
        "Writes the names that a category blocks as a list, to standard output.\vA hosts file "
        "cannot "
        "speak of subdomains or address ranges, and domains not of address ranges; none speaks of "
        "types of question ($dnstype). What a format cannot say is counted on standard error.",
};

struct export
{
    const struct bl_store *store;
    enum export_format format;
    int category;
    bool sealed; /* then entries to allow count for nothing */
    uint64_t written, left_out;
    /* What sources say of one name or prefix, taken together: two CNAMEs at a name would make an
     * RPZ zone that no server loads. */
    bool is_begun;
    struct bl_entry entry;
    struct said {
        int block[2],
            allow[2]; /* the highest tier + 1 that says so: ordinary, important; 0: none */
    } said[2];        /* of the name itself, and of those below it */
};

/* An address trigger of RPZ: length and octets or groups backwards (draft-vixie-dnsop-dns-rpz
 * section 4.1.1). */
static void rpz_prefix(const struct bl_prefix *prefix, char *text, size_t size)
{
    const uint8_t *a = prefix->address;
    size_t len;

    if (prefix->family == 4) {
        snprintf(text, size, "%u.%u.%u.%u.%u.rpz-ip", prefix->length, a[3], a[2], a[1], a[0]);
        return;
    }
    len = (size_t)snprintf(text, size, "%u", prefix->length);
    for (unsigned i = 8; i-- > 0;)
        len += (size_t)snprintf(text + len, size - len, ".%x", a[2 * i] << 8 | a[2 * i + 1]);
    snprintf(text + len, size - len, ".rpz-ip");
}

static void rpz_write(const struct bl_entry *entry)
{
    const char *what = entry->action == BL_ALLOW ? "CNAME rpz-passthru." : "CNAME .";
    char text[BL_NAME_TEXT_MAX];

    if (entry->is_address)
        rpz_prefix(&entry->prefix, text, sizeof text);
    else
        bl_name_text(entry->name.wire, text);
    if (entry->is_address || (entry->scope & BL_EXACT))
        printf("%s %s\n", text, what);
    if (!entry->is_address && (entry->scope & BL_BELOW))
        printf("*.%s %s\n", text, what);
}

/* Whether the format can say this. */
static bool is_sayable(enum export_format format, const struct bl_entry *entry)
{
    switch (format) {
    case EXPORT_RPZ:
        return true;
    case EXPORT_HOSTS:
        return entry->action == BL_BLOCK && !entry->is_address && (entry->scope & BL_EXACT);
    default:
        return entry->action == BL_BLOCK && !entry->is_address && entry->scope == BL_SUBTREE;
    }
}

static void entry_print(struct export *export, enum bl_action action, unsigned scope)
{
    struct bl_entry entry = export->entry;
    char text[BL_NAME_TEXT_MAX + 8];

    entry.action = action;
    entry.scope = (enum bl_scope)scope;
    if (!is_sayable(export->format, &entry)) {
        export->left_out++;
        return;
    }
    export->written++;
    if (export->format == EXPORT_RPZ)
        rpz_write(&entry);
    else
        printf("%s%s\n", export->format == EXPORT_HOSTS ? "0.0.0.0 " : "",
               entry_text(&entry, text, sizeof text));
}

/* An entry to allow beats those to block of lower tiers, and of its own but for an important one
 * that it is not itself. */
static unsigned actions_of(const struct said *said)
{
    int allow = said->allow[0] > said->allow[1] ? said->allow[0] : said->allow[1];
    bool stands = said->block[0] > allow || said->block[1] > allow ||
                  (said->block[1] == allow && said->allow[1] < allow);

    if (stands)
        return 1u << BL_BLOCK;
    return allow ? 1u << BL_ALLOW : 0;
}

static void name_print(struct export *export)
{
    unsigned itself = actions_of(&export->said[0]), below = actions_of(&export->said[1]);

    for (unsigned action = BL_BLOCK; export->is_begun && action <= BL_ALLOW; action++) {
        unsigned scope =
            (itself >> action & 1 ? BL_EXACT : 0u) | (below >> action & 1 ? BL_BELOW : 0u);

        if (scope)
            entry_print(export, (enum bl_action)action, scope);
    }
    export->is_begun = false;
    memset(export->said, 0, sizeof export->said);
}

static bool is_same(const struct bl_entry *a, const struct bl_entry *b)
{
    if (a->is_address || b->is_address)
        return a->is_address && b->is_address &&
               memcmp(&a->prefix, &b->prefix, sizeof a->prefix) == 0;
    return bl_name_equal(a->name.wire, b->name.wire);
}

static int entry_write(void *user, unsigned source, const struct bl_entry *entry)
{
    struct export *export = user;
    const struct bl_source *from = bl_store_source(export->store, source);
    unsigned scope = entry->is_address ? BL_EXACT : entry->scope;

    if (from->category != export->category || (export->sealed && entry->action == BL_ALLOW))
        return 0;
    if (entry->types.count > 0) { /* no format speaks of types of question */
        export->left_out++;
        return 0;
    }
    if (!export->is_begun || !is_same(&export->entry, entry))
        name_print(export);
    export->is_begun = true;
    export->entry = *entry;
    for (unsigned i = 0; i < 2; i++) {
        struct said *said = &export->said[i];
        int *tier = &(entry->action == BL_ALLOW ? said->allow : said->block)[entry->important != 0];

        if ((scope >> i & 1) && *tier <= from->tier)
            *tier = from->tier + 1;
    }
    return ferror(stdout) ? -EIO : 0;
}

static bool is_sealed(struct command *command, const char *category)
{
    const struct config *config = command_config(command);
    int index = config ? config_category_find(config, category) : -1;

    return index >= 0 && config->categories[index].sealed;
}

static void head_write(const struct export *export, const char *category)
{
    const char *mark = export->format == EXPORT_RPZ ? ";" : "#";

    printf("%s %s, from generation %" PRIu64 " of Chalkgate\n", mark, category,
           bl_store_generation(export->store));
    for (unsigned i = 0; i < bl_store_source_count(export->store); i++) {
        const struct bl_source *source = bl_store_source(export->store, i);

        if (source->category == export->category)
            printf("%s %s%s%s\n", mark, source->location, source->licence[0] ? ", licence: " : "",
                   source->licence);
    }
    if (export->format == EXPORT_RPZ)
        printf("$TTL 300\n@ SOA localhost. root.localhost. (%" PRIu64 " 3600 600 86400 300)\n"
               "@ NS localhost.\n",
               bl_store_generation(export->store));
}

enum exit_code lists_export_run(struct command *command, int argc, char **argv)
{
    struct export_arguments arguments = {NULL, EXPORT_DOMAINS};
    struct export export = {.written = 0};
    struct bl_store *store = NULL;
    struct bl_error error = {""};
    int failed = verb_parse(&export_argp, argc, argv, &arguments), rc;
    enum exit_code code;

    if (failed)
        return (enum exit_code)(failed - 1);
    code = lists_open(command, 0, &store);
    if (code != EXIT_DONE)
        return code;
    export.store = store;
    export.format = arguments.format;
    export.category = bl_store_category_find(store, arguments.category);
    if (export.category < 0) {
        bl_store_close(store);
        return command_fail(EXIT_NOTHING, "no list of category \"%s\" was imported",
                            arguments.category);
    }
    export.sealed = is_sealed(command, arguments.category);
    head_write(&export, arguments.category);
    rc = bl_store_walk(store, entry_write, &export, &error);
    name_print(&export);
    bl_store_close(store);
    if (rc < 0 || fflush(stdout) != 0)
        return command_fail(EXIT_FAILED, "%s",
                            rc < 0 && error.text[0] ? error.text : "the list could not be written");
    if (export.left_out)
        command_fail(EXIT_DONE, "%" PRIu64 " entr%s left out, as this format cannot say %s",
                     export.left_out, export.left_out == 1 ? "y is" : "ies are",
                     export.left_out == 1 ? "it" : "them");
    return EXIT_DONE;
}
