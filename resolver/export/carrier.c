#include "resolver/export/carrier.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "resolver/base/clock.h"
#include "resolver/base/known_time.h"
#include "resolver/base/log.h"
#include "resolver/base/text.h"
#include "resolver/export/places.h"
#include "resolver/export/sink.h"

enum {
    BATCH = 1024,
    LOOK_MS = 1000,
    SAVE_MS = 1000,
    LOCK_MS = 200,
    ALL_DAYS_MS = 60000, /* between two looks at days before yesterday */
    COUNTED_MS = 5000,   /* between two looks at what was only counted: it may grow each second */
    COUNTED_KEY_MAX = 200,
    CHANGES_MS = 2000,    /* between two questions for changes */
    CHANGES_MOST = 256,   /* in one answer */
    ANSWER_MAX = 4 << 20, /* octets of the daemon's answer */
    ANSWER_WAIT_S = 10,
    FAULTS_TOLD = 10, /* looks at a day that could not be read */
};

struct carrier {
    const char *state;
    const struct config *config;
    const struct config_export *to;
    struct places places;
    struct sink *sink;
    struct bl_error error; /* of the sink, behind the feed's back */
    bool failed;
    json_t *counting;      /* what counts of a day are told, once the flush is done */
    uint64_t counted;      /* denials that these are more */
    bool passes_over;      /* counts are noted as told, and not sent */
    unsigned failures;     /* in a row */
    uint64_t put;          /* denials since the last flush */
    unsigned changes_most; /* to ask for; 0: CHANGES_MOST */
    int64_t all_days_ms, counted_ms, changes_ms, saved_ms; /* monotonic */
};

static volatile sig_atomic_t ended;

static void end(int number)
{
    (void)number;
    ended = 1;
}

/* Waits; true when it is time to end. */
static bool carrier_sleep(int ends_with, int ms)
{
    struct pollfd wait = {.fd = ends_with, .events = POLLIN};

    return ended || (poll(&wait, 1, ms) > 0 && wait.revents != 0) || ended;
}

static int sink_ready(struct carrier *carrier)
{
    if (carrier->put == 0 && carrier->sink != NULL && !sink_is_alive(carrier->sink)) {
        sink_close(carrier->sink);
        carrier->sink = NULL;
    }
    if (carrier->sink != NULL)
        return 0;
    return sink_open(carrier->config, carrier->to, &carrier->sink, &carrier->error);
}

static int event_put(struct carrier *carrier, struct event *event)
{
    int code = sink_ready(carrier);

    if (code == 0)
        code = sink_put(carrier->sink, event, &carrier->error);
    event_fini(event);
    return code;
}

static int record_put(void *user, const struct denial_record *record)
{
    struct carrier *carrier = user;
    struct event event;

    if (!carrier->to->denials || record->severity < carrier->to->severity ||
        (record->observed && !carrier->to->observed))
        return 0; /* told, as far as the place goes */
    if (event_of_denial(record, &event) < 0) {
        bl_error_set(&carrier->error, -ENOMEM, "out of memory");
        carrier->failed = true;
    } else {
        carrier->failed = event_put(carrier, &event) < 0;
    }
    carrier->put += !carrier->failed;
    return carrier->failed;
}

static int flush(struct carrier *carrier)
{
    return carrier->sink == NULL ? 0 : sink_flush(carrier->sink, &carrier->error);
}

static void save(struct carrier *carrier, bool now)
{
    int64_t mono_ms = clock_read().mono_ms;
    struct bl_error error = {""};

    if (!now && mono_ms - carrier->saved_ms < SAVE_MS)
        return;
    carrier->saved_ms = mono_ms;
    if (places_save(&carrier->places, &error) < 0 && carrier->places.trouble.text[0] == '\0') {
        carrier->places.trouble = error;
        log_warning("export \"%s\": %s", carrier->to->name, error.text);
    }
}

/* One batch of a day: how many records it had, or a negative errno. */
static int day_carry(struct carrier *carrier, const struct day *day, struct day_place *at)
{
    struct feed_place place = at->place;
    struct bl_error why = {""};
    uint64_t left = at->left;

    carrier->put = 0;
    carrier->failed = false;
    int told = feed_read(carrier->state, day, &place, BATCH, record_put, carrier, &left, &why);
    if (told < 0 && !carrier->failed) {
        /* One that is being made looks cut for a moment; one that stays damaged stops no other. */
        if (++at->faults == FAULTS_TOLD)
            log_warning("export \"%s\": %s", carrier->to->name, why.text);
        return 0;
    }
    at->faults = 0;
    if (told <= 0 && !carrier->failed) {
        at->place = place;
        at->left = left;
        return 0;
    }
    /* Told before it is tried: a collector that hangs holds this up. */
    at->left = left + (place.read - at->place.read);
    save(carrier, false);
    if (carrier->failed || flush(carrier) < 0)
        return -EIO;
    at->place = place;
    at->left = left;
    carrier->places.sent += carrier->put;
    if (carrier->put > 0)
        carrier->places.last_sent_s = clock_read().wall_ms / 1000;
    return told;
}

/* What of an hour, group and category was not told yet. */
static int counted_put(void *user, const struct feed_counted *counted)
{
    struct carrier *carrier = user;
    char key[COUNTED_KEY_MAX];
    struct event event;

    /* What is of no known category may be of any. */
    if (counted->category[0] != '\0' && counted->severity < carrier->to->severity)
        return 0;
    snprintf(key, sizeof(key), "%u/%.80s/%.80s", counted->hour, counted->group, counted->category);
    for (char *at = key; *at != '\0'; at++) /* a damaged journal's may be no UTF-8 */
        *at = *at < ' ' || *at > '~' ? '?' : *at;
    uint64_t before = (uint64_t)json_integer_value(json_object_get(carrier->counting, key));
    if (counted->count <= before) /* retention may have destroyed some */
        return 0;
    struct feed_counted more = *counted;
    more.count -= before;
    int code = carrier->passes_over ? 0 : event_of_counted(&more, &event);
    if (code < 0)
        bl_error_set(&carrier->error, code, "out of memory");
    else if (!carrier->passes_over)
        code = event_put(carrier, &event);
    if (code == 0 &&
        json_object_set_new(carrier->counting, key, json_integer((json_int_t)counted->count)) < 0)
        code = bl_error_set(&carrier->error, -ENOMEM, "out of memory");
    carrier->failed = code < 0;
    carrier->put += code == 0;
    carrier->counted += code == 0 ? more.count : 0;
    return carrier->failed;
}

/* The numbers of a day's denials that have no record. 0 or a negative errno: the collector's. */
static int counted_carry(struct carrier *carrier, const struct day *day, struct day_place *at,
                         bool passes_over)
{
    if (!carrier->to->denials || carrier->to->form == EXPORT_DNSTAP)
        return 0;
    carrier->counting = at->counted != NULL ? json_copy(at->counted) : json_object();
    carrier->passes_over = passes_over;
    carrier->put = carrier->counted = 0;
    carrier->failed = false;
    /* What cannot be read was told of by day_carry(). */
    bool read = feed_counted(carrier->state, day, counted_put, carrier, NULL) == 0;
    int code =
        carrier->failed || (carrier->counted > 0 && !passes_over && flush(carrier) < 0) ? -EIO : 0;
    if (code == 0 && read && carrier->counted > 0) {
        json_decref(at->counted);
        at->counted = json_incref(carrier->counting);
        *(passes_over ? &carrier->places.skipped : &carrier->places.counted) += carrier->counted;
        if (!passes_over)
            carrier->places.last_sent_s = clock_read().wall_ms / 1000;
    }
    json_decref(carrier->counting);
    return code;
}

/* What is too old is passed over; what the place then says is the day's end. */
static void day_skip(struct carrier *carrier, const struct day *day, struct day_place *at)
{
    struct feed_place last;

    (void)counted_carry(carrier, day, at, true);
    if (feed_end(carrier->state, day, &last, NULL) < 0 || last.read <= at->place.read)
        return;
    carrier->places.skipped += last.read - at->place.read;
    at->place = last;
    at->left = 0;
}

/* What ended before this time is too old to be sent. A clock that cannot be believed makes nothing
 * old. */
static int64_t oldest_find(const struct carrier *carrier, int64_t wall_ms)
{
    if (!known_time_allows(known_time_read(carrier->state), 0, wall_ms))
        return INT64_MIN;
    return wall_ms - (int64_t)carrier->to->backlog_s * 1000;
}

/* How many records were told in all, or a negative errno. */
static int denials_carry(struct carrier *carrier)
{
    struct moment now = clock_read();
    bool all = now.mono_ms - carrier->all_days_ms >= ALL_DAYS_MS || carrier->all_days_ms == 0;
    bool counts = all || now.mono_ms - carrier->counted_ms >= COUNTED_MS;
    int64_t oldest_ms = oldest_find(carrier, now.wall_ms);
    struct segment_list list;
    int told = 0;

    if (segments_list(carrier->state, NULL, NULL, &list, &carrier->error) < 0)
        return -EIO;
    places_prune(&carrier->places, &list);
    for (size_t i = 0; i < list.count && told >= 0 && told < BATCH; i++) {
        struct day_place *at = places_day(&carrier->places, list.days[i].text);
        if (at == NULL) {
            told = bl_error_set(&carrier->error, -ENOMEM, "out of memory");
            break;
        }
        if (!all && at->left == 0 && at->place.read > 0 && i + 2 < list.count)
            continue;
        if (list.days[i].end_ms < oldest_ms) {
            day_skip(carrier, &list.days[i], at);
            continue;
        }
        int more = day_carry(carrier, &list.days[i], at);
        int code = more >= 0 && counts ? counted_carry(carrier, &list.days[i], at, false) : 0;
        told = more < 0 ? more : code < 0 ? code : told + more;
    }
    segments_list_free(&list);
    if (all && told >= 0 && told < BATCH)
        carrier->all_days_ms = now.mono_ms;
    if (counts && told >= 0)
        carrier->counted_ms = now.mono_ms;
    return told;
}

static int daemon_ask(const char *state, const char *line, char **out_text, size_t *out_len)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    struct timeval wait = {.tv_sec = ANSWER_WAIT_S};
    size_t len = strlen(line), room = 0;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    *out_text = NULL;
    *out_len = 0;
    snprintf(name.sun_path, sizeof(name.sun_path), "%s/control.sock", state);
    if (fd < 0)
        return -errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
    int code = connect(fd, (struct sockaddr *)&name, sizeof(name)) < 0 ? -errno : 0;
    if (code == 0 && send(fd, line, len, MSG_NOSIGNAL) != (ssize_t)len)
        code = -EPIPE;
    while (code == 0) {
        if (*out_len == room) {
            char *more = room < ANSWER_MAX ? realloc(*out_text, room += 65536) : NULL;
            if (more == NULL) {
                code = -EMSGSIZE;
                break;
            }
            *out_text = more;
        }
        ssize_t got = recv(fd, *out_text + *out_len, room - *out_len, 0);
        if (got <= 0) {
            code = got < 0 ? -errno : 0;
            break;
        }
        *out_len += (size_t)got;
    }
    close(fd);
    return code;
}

/* Entries of the change log from the next one on, as the daemon tells them; NULL: not now. */
static json_t *changes_ask(struct carrier *carrier)
{
    unsigned most = carrier->changes_most > 0 ? carrier->changes_most : CHANGES_MOST;
    char line[128], *text;
    size_t len;

    snprintf(line, sizeof(line), "{\"verb\":\"changes\",\"from\":%llu,\"max\":%u}\n",
             (unsigned long long)carrier->places.change + 1,
             carrier->places.change_known ? most : 1);
    int code = daemon_ask(carrier->state, line, &text, &len);
    /* Long entries: fewer of them the next time, or it would never go on. */
    carrier->changes_most = code == -EMSGSIZE && most > 1 ? most / 2 : 0;
    json_t *reply = code == 0 ? json_loadb(text, len, 0, NULL) : NULL;
    free(text);
    if (json_is_true(json_object_get(reply, "ok")))
        return reply;
    json_decref(reply);
    return NULL;
}

static int changes_put(struct carrier *carrier, const json_t *entries)
{
    uint64_t last = carrier->places.change, count = 0;
    json_t *entry;
    size_t index;
    int code = 0;

    if (json_array_size(entries) == 0)
        return 0;
    carrier->put = 0;

    json_array_foreach(entries, index, entry)
    {
        struct event event;
        uint64_t number = (uint64_t)json_integer_value(json_object_get(entry, "number"));
        code = event_of_change(entry, &event);
        if (code < 0)
            bl_error_set(&carrier->error, code, "out of memory");
        else
            code = event_put(carrier, &event);
        if (code < 0)
            return code;
        carrier->put++;
        last = number > last ? number : last + 1; /* one that cannot be read has none */
        count++;
    }
    code = flush(carrier);
    if (code < 0)
        return code;
    carrier->places.change = last;
    carrier->places.changes += count;
    if (count > 0)
        carrier->places.last_sent_s = clock_read().wall_ms / 1000;
    return 0;
}

static int changes_carry(struct carrier *carrier)
{
    struct moment now = clock_read();
    int code = 0;

    if (!carrier->to->changes || carrier->to->form == EXPORT_DNSTAP ||
        (carrier->changes_ms != 0 && now.mono_ms - carrier->changes_ms < CHANGES_MS))
        return 0;
    carrier->changes_ms = now.mono_ms;
    json_t *reply = changes_ask(carrier);
    if (reply == NULL)
        return 0; /* the daemon starts or ends: the next time */
    uint64_t count = (uint64_t)json_integer_value(json_object_get(reply, "count"));
    if (!carrier->places.change_known || count < carrier->places.change)
        carrier->places.change = count; /* new here, or a backup was put in place of the log */
    else
        code = changes_put(carrier, json_object_get(reply, "changes"));
    carrier->places.change_known = true;
    json_decref(reply);
    return code;
}

/* A collector that is new gets what comes from now on. */
static void places_begin(struct carrier *carrier)
{
    struct segment_list list;

    if (segments_list(carrier->state, NULL, NULL, &list, NULL) < 0)
        return;
    for (size_t i = 0; i < list.count; i++) {
        struct day_place *at = places_day(&carrier->places, list.days[i].text);
        if (at == NULL)
            continue;
        (void)feed_end(carrier->state, &list.days[i], &at->place, NULL);
        (void)counted_carry(carrier, &list.days[i], at, true);
    }
    carrier->places.skipped = 0;
    segments_list_free(&list);
}

/* How long to wait until the next look. */
static int failure_note(struct carrier *carrier)
{
    static const int waits_ms[] = {1000, 2000, 5000, 10000, 30000};
    enum { LAST = sizeof(waits_ms) / sizeof(waits_ms[0]) - 1 };

    sink_close(carrier->sink);
    carrier->sink = NULL;
    carrier->places.failures++;
    text_clean(carrier->error.text); /* a program's, or a peer's: it goes into JSON */
    if (carrier->failures == 0)
        log_warning("export \"%s\": %s; what waits is sent later", carrier->to->name,
                    carrier->error.text);
    carrier->places.trouble = carrier->error;
    unsigned at = carrier->failures < LAST ? carrier->failures : LAST;
    carrier->failures++;
    save(carrier, true);
    return waits_ms[at];
}

static int look(struct carrier *carrier)
{
    int told = denials_carry(carrier);
    int code = told < 0 ? told : changes_carry(carrier);

    if (code < 0)
        return failure_note(carrier);
    /* An open sink has taken something, or had nothing to take since it failed. */
    if (carrier->failures > 0 && carrier->sink != NULL) {
        log_notice("export \"%s\": sent again", carrier->to->name);
        carrier->failures = 0;
    }
    if (carrier->failures == 0)
        carrier->places.trouble.text[0] = '\0';
    save(carrier, false);
    return told >= BATCH ? 0 : LOOK_MS;
}

/* The carrier of a daemon that was killed may still be there for a moment. */
static bool turn_wait(const struct carrier *carrier, int ends_with)
{
    char path[PATH_MAX + 8];

    snprintf(path, sizeof(path), "%s.lock", carrier->places.path);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    while (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
        if (carrier_sleep(ends_with, LOCK_MS))
            return false;
    return true; /* held until the process ends */
}

void carrier_run(const char *state, const struct config *config, const struct config_export *to,
                 int ends_with)
{
    struct carrier carrier = {.state = state, .config = config, .to = to};
    struct sigaction action = {.sa_handler = end};

    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    places_name(&carrier.places, state, to->name);
    if (!turn_wait(&carrier, ends_with))
        return;
    int loaded = places_load(&carrier.places);
    if (loaded == -ENOENT)
        places_begin(&carrier);
    else if (loaded < 0)
        log_warning("export \"%s\": %s cannot be read, so that all of the backlog is sent again",
                    to->name, carrier.places.path);
    save(&carrier, true);
    while (!carrier_sleep(ends_with, look(&carrier))) {
    }
    save(&carrier, true);
    sink_close(carrier.sink);
    places_free(&carrier.places);
}

json_t *carrier_status(const char *state, const char *name)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/export/%s.json", state, name);
    return json_load_file(path, 0, NULL);
}
