#include "tools/resolve.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "blocklists/types.h"
#include "resolver/base/random.h"
#include "resolver/dns/message.h"
#include "resolver/query/way.h"

enum { PATIENCE_MS = 2000, REPLY_MAX = 4096, QUESTION_MAX = 300 };

static size_t question_write(const struct bl_name *name, unsigned type, uint16_t id, uint8_t *out)
{
    static const uint8_t OPT[11] = {0, 0, DNS_OPT, REPLY_MAX >> 8, REPLY_MAX & 255};
    size_t len = DNS_HEADER;

    memset(out, 0, DNS_HEADER);
    dns_put_16(out, id);
    dns_put_16(out + 2, DNS_RD);
    dns_put_16(out + 4, 1);
    dns_put_16(out + 10, 1);
    memcpy(out + len, name->wire, name->len);
    len += name->len;
    dns_put_16(out + len, (uint16_t)type);
    dns_put_16(out + len + 2, DNS_CLASS_IN);
    memcpy(out + len + 4, OPT, sizeof OPT);
    return len + 4 + sizeof OPT;
}

/* The octets of the reply, or a negative errno. Datagrams that answer another question are passed
 * over. */
static ssize_t exchange(const struct address *server, const uint8_t *question, size_t len,
                        uint8_t *reply)
{
    struct sockaddr_storage storage;
    socklen_t size = address_to_sockaddr(server, false, &storage);
    int fd = socket(storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    ssize_t got = -1;

    if (fd < 0)
        return -errno;
    if (connect(fd, (struct sockaddr *)&storage, size) == 0 && send(fd, question, len, 0) >= 0) {
        for (int tries = 0; got < 0 && tries < 8 && poll(&wait, 1, PATIENCE_MS) > 0; tries++) {
            got = recv(fd, reply, REPLY_MAX, 0);
            if (got < 0)
                break;
            if (got < DNS_HEADER || memcmp(reply, question, 2) != 0 || !(reply[2] & 0x80))
                got = -1;
        }
    }
    close(fd);
    return got < 0 ? -ETIMEDOUT : got;
}

static void address_add(json_t *addresses, const uint8_t *octets, size_t len)
{
    struct address address = {.bytes = {[10] = 0xff, [11] = 0xff}};
    char text[ADDRESS_TEXT_MAX];

    memcpy(address.bytes + 16 - len, octets, len);
    json_array_append_new(addresses, json_string(address_text(&address, text)));
}

static void hints_add(const uint8_t *message, const struct dns_record *record, json_t *addresses)
{
    struct dns_hints hints;
    const uint8_t *hint;
    size_t size;

    dns_hints_start(&hints, message, record);
    while ((hint = dns_hints_next(&hints, &size)))
        address_add(addresses, hint, size);
}

static void record_add(const uint8_t *message, size_t len, const struct dns_record *record,
                       json_t *answer)
{
    bool is_service = record->type == DNS_HTTPS || record->type == DNS_SVCB;
    char text[BL_NAME_TEXT_MAX];
    struct bl_name name;

    if ((record->type == DNS_A && record->data_len == 4) ||
        (record->type == DNS_AAAA && record->data_len == 16))
        address_add(json_object_get(answer, "addresses"), message + record->data, record->data_len);
    if (is_service)
        hints_add(message, record, json_object_get(answer, "addresses"));
    if ((record->type != DNS_CNAME && !is_service) ||
        dns_name_read(message, len, record->data + (is_service ? 2u : 0u), &name) < 0 ||
        name.len < 2)
        return;
    bl_name_text(name.wire, text);
    json_array_append_new(json_object_get(answer, "targets"), json_string(text));
}

static json_t *answer_read(const uint8_t *message, size_t len)
{
    json_t *answer = json_pack("{s:[], s:[]}", "targets", "addresses");
    struct dns_record record;
    struct dns_walk walk;

    if (dns_walk_start(&walk, message, len) < 0)
        return answer;
    while (dns_walk_next(&walk, &record) > 0 && record.section == 1)
        record_add(message, len, &record, answer);
    return answer;
}

int resolve_name(const struct config *config, const char *text, const char *type, json_t *resolved,
                 struct bl_error *error)
{
    uint8_t question[QUESTION_MAX], reply[REPLY_MAX];
    const struct config_zone *zone;
    const struct config_upstream *servers;
    char key[BL_NAME_TEXT_MAX];
    struct random_pool random;
    struct bl_name name;
    size_t count, len;

    if (bl_name_parse(text, strlen(text), &name) != BL_NAME_FINE)
        return 0; /* `why` itself says so */
    random_init(&random);
    zone = way_zone(config, name.wire);
    servers = zone ? zone->upstreams : config->upstreams;
    count = zone ? zone->upstream_count : config->upstream_count;
    len = question_write(&name, bl_type_number(type, strlen(type)), random_16(&random), question);
    for (size_t i = 0; i < count; i++) {
        ssize_t got;
        if (servers[i].host || servers[i].transport == TRANSPORT_TLS)
            continue;
        got = exchange(&servers[i].address, question, len, reply);
        if (got < 0)
            continue;
        bl_name_text(name.wire, key);
        return json_object_set_new(resolved, key, answer_read(reply, (size_t)got)) ? -ENOMEM : 0;
    }
    return bl_error_set(error, -EHOSTUNREACH,
                        "%s: no upstream with a plain address answered, so what its answer leads "
                        "to stays unknown",
                        text);
}
