#include "resolver/denials/words.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "resolver/denials/journal.h"

char *denial_time_text(int64_t wall_ms, char out[DENIAL_TIME_MAX])
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm local = {0};
    char zone[8];

    localtime_r(&seconds, &local);
    strftime(zone, sizeof(zone), "%z", &local);
    snprintf(out, DENIAL_TIME_MAX, "%04d-%02d-%02dT%02d:%02d:%02d.%03d%.3s:%s",
             local.tm_year + 1900, local.tm_mon + 1, local.tm_mday, local.tm_hour, local.tm_min,
             local.tm_sec, (int)(wall_ms % 1000), zone, zone + 3);
    return out;
}

char *denial_type_text(uint16_t type, char out[DENIAL_TYPE_MAX])
{
    return bl_type_text(type, out);
}

char *denial_match_text(const struct denial_record *record, char out[BL_NAME_TEXT_MAX])
{
    struct address address = {.port = 0};

    out[0] = '\0';
    if (record->matched != NULL) {
        bl_name_text(record->matched, out);
    } else if (record->address != NULL) {
        memcpy(address.bytes, record->address, 16);
        address_text(&address, out);
    }
    return out;
}

const char *denial_via_text(uint8_t via)
{
    static const char *const words[] = {"question", "cname", "service", "address", "rule"};

    return via < sizeof(words) / sizeof(words[0]) ? words[via] : "";
}

const char *denial_transport_text(uint8_t transport)
{
    static const char *const words[] = {"udp", "tcp", "tls"};

    return transport < sizeof(words) / sizeof(words[0]) ? words[transport] : "";
}

const char *denial_severity_text(uint8_t severity)
{
    static const char *const words[] = {"low", "medium", "high", "urgent"};

    return severity < sizeof(words) / sizeof(words[0]) ? words[severity] : "";
}

json_t *denial_word_json(const char *word)
{
    json_t *string = json_string(word);

    return string != NULL ? string : json_string("(unreadable)");
}

void denial_device_tell(const struct denial_device *device, json_t *object)
{
    char mac[MAC_TEXT_MAX];

    if (object == NULL)
        return;
    if (device->name[0] != '\0')
        json_object_set_new(object, "device_name", denial_word_json(device->name));
    if (device->has_mac) {
        json_object_set_new(object, "mac", json_string(mac_text(device->mac, mac)));
        json_object_set_new(object, "mac_private", json_boolean(mac_is_private(device->mac)));
    }
}

json_t *denial_record_json(const struct denial_record *record, const char *rule)
{
    char time[DENIAL_TIME_MAX], code[CASE_TEXT_MAX], client[ADDRESS_TEXT_MAX];
    char name[BL_NAME_TEXT_MAX], match[BL_NAME_TEXT_MAX], type[DENIAL_TYPE_MAX];

    bl_name_text(record->qname, name);
    json_t *object = json_pack(
        "{ss,ss,so,so,so,ss,ss,ss,ss,ss,ss,ss,sb,sI,ss,sI,sI}", "time",
        denial_time_text(record->wall_ms, time), "case",
        denials_case_text(record->case_number, code), "group", denial_word_json(record->group),
        "category", denial_word_json(record->category), "title", denial_word_json(record->title),
        "severity", denial_severity_text(record->severity), "client",
        address_text(&record->client, client), "name", name, "type",
        denial_type_text(record->qtype, type), "matched", denial_match_text(record, match), "via",
        denial_via_text(record->via), "transport", denial_transport_text(record->transport),
        "observed", (int)record->observed, "count", (json_int_t)record->count, "rule", rule,
        "policy-version", (json_int_t)record->policy_version, "generation",
        (json_int_t)record->generation);
    denial_device_tell(record->device, object);
    return object;
}
