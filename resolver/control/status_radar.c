#include "resolver/control/status_radar.h"

#include "resolver/base/clock.h"
#include "resolver/control/watch.h"
#include "resolver/denials/device.h"

static char *device_text(const struct status_radar *radar, const struct address *client,
                         char text[DENIAL_DEVICE_MAX])
{
    struct denials_namer namer = watch_namer(radar->daemon);
    struct denial question = {.client = *client, .wall_ms = clock_read().wall_ms};
    struct denial_device device = {.has_mac = 0};

    if (!radar->world->config->recording.pseudonyms)
        namer.name(namer.user, &question, &device);
    return denial_device_text(&device, client, text);
}

static void number_set(json_t *object, const char *key, int64_t value)
{
    json_object_set_new(object, key, json_integer(value));
}

static json_t *sighting_describe(const struct status_radar *radar,
                                 const struct radar_sighting *seen, int64_t now_ms)
{
    char text[ADDRESS_TEXT_MAX], device[DENIAL_DEVICE_MAX];
    json_t *item = json_object(), *signs = json_array();

    json_object_set_new(item, "client", json_string(address_text(&seen->client, text)));
    json_object_set_new(item, "device", json_string(device_text(radar, &seen->client, device)));
    json_object_set_new(item, "group",
                        json_string(policy_group_name(radar->world->policy, seen->group)));
    for (unsigned sign = RADAR_BYPASS; sign <= RADAR_SILENT; sign *= 2)
        if (seen->signs & sign)
            json_array_append_new(signs, json_string(radar_sign_text(sign)));
    json_object_set_new(item, "signs", signs);
    number_set(item, "circumvention", seen->bypass);
    number_set(item, "odd", seen->odd);
    number_set(item, "other", seen->other);
    number_set(item, "last_s_ago", (now_ms - seen->last_ms) / 1000);
    return item;
}

void status_radar_describe(const struct status_radar *radar, struct radar_sighting *all,
                           size_t count, json_t *out, json_t *warnings)
{
    int64_t now_ms = clock_read().mono_ms;
    json_t *list = json_array();

    count = radar_merge(all, count, now_ms);
    for (size_t i = 0; i < count && radar->tells_devices; i++)
        json_array_append_new(list, sighting_describe(radar, &all[i], now_ms));
    if (count)
        json_array_append_new(warnings, json_sprintf("%zu %s as if going round the filter", count,
                                                     count == 1 ? "device looks" : "devices look"));
    json_object_set_new(out, "radar", list);
}
