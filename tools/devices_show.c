/* `chalkgate devices`: who is on the network, as the running resolver knows them. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tools/ask.h"
#include "tools/table.h"
#include "tools/verb.h"

enum { TEXT_MAX = 64 };

struct options {
    const char *filter;
};

static error_t option_parse(int key, char *value, struct argp_state *state)
{
    struct options *options = state->input;

    if (key != ARGP_KEY_ARG)
        return ARGP_ERR_UNKNOWN;
    if (options->filter)
        argp_error(state, "one part of a name, MAC address, address or group, please");
    options->filter = value;
    return 0;
}

static const struct argp devices_argp = {
    .parser = option_parse,
    .args_doc = "[FILTER]",
    .doc = "Shows the devices that are known: from the neighbours of the machine's networks, the "
           "lease files of DHCP servers (`leases` in the configuration), and `devices` in the "
           "configuration. FILTER is a part of a name, MAC address, address or group."
           "\vA name in brackets is what the device calls itself: it may call itself anything. "
           "\"private\" is a MAC address that the device made up, as phones do for each network; "
           "it may make up another one.",
};

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

static const char *ago_text(const json_t *device, char text[TEXT_MAX])
{
    const json_t *seen = json_object_get(device, "seen");
    long long ago_s = (long long)time(NULL) - (long long)json_integer_value(seen);

    if (!seen)
        return "";
    if (ago_s < 60)
        return "now";
    if (ago_s < 3600)
        snprintf(text, TEXT_MAX, "%lld min ago", ago_s / 60);
    else
        snprintf(text, TEXT_MAX, "%lld h ago", ago_s / 3600);
    return text;
}

static void name_cell(struct table *table, const json_t *device)
{
    bool own = strcmp(text_of(device, "named_by"), "lease") == 0;

    table_cell(table, own ? "(%s)" : "%s", text_of(device, "name"));
}

/* A line for each address, the further ones of a device under its first. */
static void device_rows(struct table *table, const json_t *device)
{
    const json_t *addresses = json_object_get(device, "addresses"), *address;
    size_t index, count = json_array_size(addresses);
    bool private = json_is_true(json_object_get(device, "mac_private"));
    char ago[TEXT_MAX];

    for (index = 0; index < (count ? count : 1); index++) {
        address = json_array_get(addresses, index);
        if (index == 0) {
            name_cell(table, device);
            table_cell(table, "%s%s", text_of(device, "mac"), private ? " private" : "");
        } else {
            table_cell(table, "%s", "");
            table_cell(table, "%s", "");
        }
        table_cell(table, "%s", text_of(address, "address"));
        table_cell(table, "%s", text_of(address, "group"));
        table_cell(table, "%s", address ? text_of(address, "found_by") : "configuration");
        table_cell(table, "%s", ago_text(address, ago));
    }
}

static void devices_print(const json_t *devices)
{
    static const char *const COLUMNS[] = {"Device", "MAC address", "Address",
                                          "Group",  "Known by",    "Seen"};
    struct table *table = table_create();
    const json_t *device;
    size_t index;

    for (size_t i = 0; i < sizeof COLUMNS / sizeof *COLUMNS; i++)
        table_column(table, COLUMNS[i], TABLE_LEFT);
    json_array_foreach(devices, index, device)
    {
        device_rows(table, device);
    }
    table_print(table, stdout);
}

static enum exit_code run_devices(struct command *command, int argc, char **argv)
{
    struct options options = {0};
    struct bl_error error = {0};
    json_t *reply, *devices;
    int failed = verb_parse(&devices_argp, argc, argv, &options);
    enum exit_code code;

    if (failed)
        return (enum exit_code)(failed - 1);
    code = ask_daemon(command, "devices",
                      json_pack("{s:s}", "filter", options.filter ? options.filter : ""), -1,
                      &reply, &error);
    if (code != EXIT_DONE)
        return command_fail(code == EXIT_NOTHING ? EXIT_FAILED : code, "%s", error.text);
    devices = json_object_get(reply, "devices");
    if (json_array_size(devices) == 0)
        code = EXIT_NOTHING;
    if (command->json) {
        json_dumpf(devices, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
        putchar('\n');
    } else if (code == EXIT_NOTHING) {
        puts(options.filter ? "No device that is known has this in its name, addresses or group."
                            : "No device is known.");
    } else {
        devices_print(devices);
    }
    json_decref(reply);
    return code;
}

const struct verb verb_devices = {
    "devices", "who is on the network: names, MAC addresses, addresses, groups", run_devices};
