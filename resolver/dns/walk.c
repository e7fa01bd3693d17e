#include "resolver/dns/message.h"

#include <errno.h>
#include <string.h>

int dns_name_skip(const uint8_t *message, size_t len, size_t at)
{
    size_t start = at;

    while (at < len && at - start < BL_NAME_MAX) {
        uint8_t octet = message[at];
        if (octet == 0)
            return (int)at + 1;
        if (octet >= 0xc0)
            return at + 2 <= len ? (int)at + 2 : -EBADMSG;
        if (octet > BL_LABEL_MAX)
            return -EBADMSG; /* label types 01 and 10, RFC 9267 section 5 */
        at += octet + 1u;
    }
    return -EBADMSG;
}

int dns_name_expand(const uint8_t *message, size_t len, size_t at, struct bl_name *out_name)
{
    struct bl_name name;
    size_t used = 0, run_start = at;
    unsigned pointers = 0;
    int after = -1;

    for (;;) {
        uint8_t octet;
        if (at >= len)
            return -EBADMSG;
        octet = message[at];
        if (octet >= 0xc0) {
            size_t target;
            if (at + 2 > len)
                return -EBADMSG;
            target = dns_read_16(message + at) & 0x3fffu;
            /* Strictly backwards from where this run of labels began, so each hop comes nearer the
             * header and a loop cannot be (RFC 9267 section 3); nothing names the header itself. */
            if (target >= run_start || target < DNS_HEADER || ++pointers > DNS_POINTERS_MAX)
                return -EBADMSG;
            if (after < 0)
                after = (int)at + 2;
            at = run_start = target;
            continue;
        }
        if (octet > BL_LABEL_MAX || used + octet + 1u > BL_NAME_MAX || octet + 1u > len - at)
            return -EBADMSG;
        memcpy(name.wire + used, message + at, octet + 1u);
        used += octet + 1u;
        at += octet + 1u;
        if (octet == 0)
            break;
    }
    memcpy(out_name->wire, name.wire, used);
    out_name->len = (uint8_t)used;
    return after < 0 ? (int)at : after;
}

int dns_name_read(const uint8_t *message, size_t len, size_t at, struct bl_name *out_name)
{
    int after = dns_name_expand(message, len, at, out_name);

    if (after >= 0)
        dns_lower(out_name->wire, out_name->wire, out_name->len);
    return after;
}

int dns_walk_start(struct dns_walk *walk, const uint8_t *message, size_t len)
{
    int end;

    if (len < DNS_HEADER || len > DNS_MESSAGE_MAX || dns_read_16(message + 4) != 1)
        return -EBADMSG;
    end = dns_name_skip(message, len, DNS_HEADER);
    if (end < 0 || len - (size_t)end < 4)
        return -EBADMSG;
    *walk = (struct dns_walk){.message = message, .len = len, .at = (size_t)end + 4, .section = 1};
    for (unsigned section = 0; section < 4; section++)
        walk->left[section] = dns_read_16(message + 4 + 2 * section);
    return 0;
}

int dns_walk_next(struct dns_walk *walk, struct dns_record *out_record)
{
    const uint8_t *fixed;
    int end;

    while (walk->section < 4 && walk->left[walk->section] == 0)
        walk->section++;
    if (walk->section == 4)
        return 0;
    end = dns_name_skip(walk->message, walk->len, walk->at);
    if (end < 0 || walk->len - (size_t)end < 10)
        return -EBADMSG;
    fixed = walk->message + end;
    *out_record = (struct dns_record){
        .owner = (uint16_t)walk->at,
        .type = dns_read_16(fixed),
        .class = dns_read_16(fixed + 2),
        .ttl = dns_read_32(fixed + 4),
        .ttl_at = (uint16_t)(end + 4),
        .data = (uint16_t)(end + 10),
        .data_len = dns_read_16(fixed + 8),
        .section = walk->section,
    };
    if (walk->len - (size_t)end - 10 < out_record->data_len)
        return -EBADMSG;
    walk->at = (size_t)end + 10 + out_record->data_len;
    walk->left[walk->section]--;
    return 1;
}

void dns_service_start(struct dns_service *service, const uint8_t *message,
                       const struct dns_record *record)
{
    size_t end = record->data + (size_t)record->data_len;
    int after = record->data_len < 3 ? -EBADMSG : dns_name_skip(message, end, record->data + 2u);

    *service = (struct dns_service){message, after < 0 ? end : (size_t)after, end};
}

bool dns_service_next(struct dns_service *service, struct dns_parameter *out_parameter)
{
    struct dns_parameter parameter;

    if (service->end - service->at < 4)
        return false;
    parameter.key = dns_read_16(service->message + service->at);
    parameter.len = dns_read_16(service->message + service->at + 2);
    parameter.at = service->at + 4;
    if (service->end - parameter.at < parameter.len)
        return false;
    parameter.hint_size = parameter.key == DNS_SERVICE_IPV4HINT   ? 4
                          : parameter.key == DNS_SERVICE_IPV6HINT ? 16
                                                                  : 0;
    service->at = parameter.at + parameter.len;
    *out_parameter = parameter;
    return true;
}

void dns_hints_start(struct dns_hints *hints, const uint8_t *message,
                     const struct dns_record *record)
{
    *hints = (struct dns_hints){0};
    dns_service_start(&hints->service, message, record);
}

const uint8_t *dns_hints_next(struct dns_hints *hints, size_t *out_size)
{
    const struct dns_parameter *parameter = &hints->parameter;
    const uint8_t *hint;

    while (!parameter->hint_size || hints->taken + parameter->hint_size > parameter->len) {
        if (!dns_service_next(&hints->service, &hints->parameter))
            return NULL;
        hints->taken = 0;
    }
    hint = hints->service.message + parameter->at + hints->taken;
    hints->taken += parameter->hint_size;
    *out_size = parameter->hint_size;
    return hint;
}
