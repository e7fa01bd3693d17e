#include "resolver/export/sink.h"

#include <errno.h>
#include <fstrm.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "resolver/export/connection.h"
#include "resolver/export/line_file.h"

struct sink {
    const struct config *config;
    const struct config_export *to;
    struct event_syslog syslog;
    char host[256];
    struct line_file *file;
    struct connection *connection;
    struct fstrm_writer *frames; /* of dnstap, over `connection` */
    char *buffer;                /* of `out`: what is put goes out with the flush */
    size_t buffer_len;
    FILE *out;
    struct bl_error trouble; /* of the connection, behind libfstrm's back */
};

/* RFC 5424 section 6.2.4: printable ASCII, or the nil value. */
static void host_read(char host[256])
{
    if (gethostname(host, 255) < 0 || host[0] == '\0')
        strcpy(host, "-");
    host[255] = '\0';
    for (char *at = host; *at != '\0'; at++)
        if (*at <= ' ' || *at > '~')
            *at = '-';
}

static fstrm_res frames_open(void *user)
{
    struct sink *sink = user;

    return connection_open(sink->to, &sink->connection, &sink->trouble) == 0 ? fstrm_res_success
                                                                             : fstrm_res_failure;
}

static fstrm_res frames_close(void *user)
{
    struct sink *sink = user;

    connection_close(sink->connection);
    sink->connection = NULL;
    return fstrm_res_success;
}

static fstrm_res frames_read(void *user, void *data, size_t count)
{
    struct sink *sink = user;

    return connection_receive(sink->connection, data, count, &sink->trouble) == 0
               ? fstrm_res_success
               : fstrm_res_failure;
}

static fstrm_res frames_write(void *user, const struct iovec *vectors, int count)
{
    struct sink *sink = user;

    for (int i = 0; i < count; i++)
        if (connection_send(sink->connection, vectors[i].iov_base, vectors[i].iov_len,
                            &sink->trouble) < 0)
            return fstrm_res_failure;
    return fstrm_res_success;
}

/* Frame Streams with its handshake both ways: READY, ACCEPT, START. */
static int frames_begin(struct sink *sink, struct bl_error *error)
{
    static const char type[] = "protobuf:dnstap.Dnstap";
    struct fstrm_writer_options *options = fstrm_writer_options_init();
    struct fstrm_rdwr *ways = fstrm_rdwr_init(sink);

    fstrm_rdwr_set_open(ways, frames_open);
    fstrm_rdwr_set_close(ways, frames_close);
    fstrm_rdwr_set_read(ways, frames_read);
    fstrm_rdwr_set_write(ways, frames_write);
    (void)fstrm_writer_options_add_content_type(options, type, sizeof(type) - 1);
    sink->frames = fstrm_writer_init(options, &ways);
    fstrm_writer_options_destroy(&options);
    if (sink->frames == NULL) {
        fstrm_rdwr_destroy(&ways);
        return bl_error_set(error, -ENOMEM, "out of memory");
    }
    if (fstrm_writer_open(sink->frames) == fstrm_res_success)
        return 0;
    return bl_error_set(error, -EPROTO, "%s",
                        sink->trouble.text[0] != '\0' ? sink->trouble.text
                                                      : "the collector wants no dnstap");
}

int sink_open(const struct config *config, const struct config_export *to, struct sink **out_sink,
              struct bl_error *error)
{
    struct sink *sink = calloc(1, sizeof(*sink));
    int code;

    if (sink == NULL)
        return bl_error_set(error, -ENOMEM, "out of memory");
    sink->config = config;
    sink->to = to;
    host_read(sink->host);
    sink->syslog = (struct event_syslog){
        .facility = to->facility, .host = sink->host, .pid = (unsigned)getpid()};
    if (to->file != NULL)
        code = line_file_open(to, &sink->file, error);
    else if (to->form == EXPORT_DNSTAP)
        code = frames_begin(sink, error);
    else
        code = connection_open(to, &sink->connection, error);
    sink->out = open_memstream(&sink->buffer, &sink->buffer_len);
    if (code == 0 && sink->out == NULL)
        code = bl_error_set(error, -ENOMEM, "out of memory");
    if (code < 0) {
        sink_close(sink);
        return code;
    }
    *out_sink = sink;
    return 0;
}

void sink_close(struct sink *sink)
{
    if (sink == NULL)
        return;
    if (sink->frames != NULL)
        fstrm_writer_destroy(&sink->frames); /* with STOP, and waiting for FINISH */
    line_file_close(sink->file);
    connection_close(sink->connection);
    if (sink->out != NULL)
        fclose(sink->out);
    free(sink->buffer);
    free(sink);
}

bool sink_is_alive(struct sink *sink)
{
    return sink->connection == NULL || connection_is_alive(sink->connection);
}

static int render(struct sink *sink, const struct event *event, FILE *out)
{
    switch (sink->to->form) {
    case EXPORT_SYSLOG:
        return event_syslog(event, &sink->syslog, out);
    case EXPORT_JOURNAL:
        return event_journal(event, &sink->syslog, out);
    case EXPORT_DNSTAP:
        return event_dnstap(event, sink->config, sink->host, out);
    default:
        return event_json(event, out);
    }
}

/* A message of its own: a datagram, a frame of Frame Streams, or octets with their count before
 * them (RFC 6587 section 3.4.1, RFC 5425 section 4.3). */
static int message_put(struct sink *sink, const char *message, size_t len, struct bl_error *error)
{
    if (sink->frames != NULL) {
        if (fstrm_writer_write(sink->frames, message, len) == fstrm_res_success)
            return 0;
        return bl_error_set(error, -EPIPE, "%s",
                            sink->trouble.text[0] != '\0' ? sink->trouble.text
                                                          : "the collector ended the stream");
    }
    if (connection_has_datagrams(sink->to))
        return connection_send(sink->connection, message, len, error);
    fprintf(sink->out, "%zu ", len);
    fwrite(message, 1, len, sink->out);
    return 0;
}

int sink_put(struct sink *sink, const struct event *event, struct bl_error *error)
{
    char *message = NULL;
    size_t len;

    if (sink->to->form == EXPORT_JSON)
        return render(sink, event, sink->out) < 0 ? bl_error_set(error, -ENOMEM, "out of memory")
                                                  : 0;
    FILE *out = open_memstream(&message, &len);
    int code = out == NULL ? -ENOMEM : render(sink, event, out);
    if (out != NULL && fclose(out) != 0)
        code = -ENOMEM;
    if (code < 0)
        bl_error_set(error, code, "out of memory");
    else if (len > 0)
        code = message_put(sink, message, len, error);
    free(message);
    return code < 0 ? code : 0;
}

int sink_flush(struct sink *sink, struct bl_error *error)
{
    int code = fflush(sink->out) == 0 ? 0 : bl_error_set(error, -ENOMEM, "out of memory");

    if (code == 0 && sink->buffer_len > 0) {
        code = sink->file != NULL
                   ? line_file_append(sink->file, sink->buffer, sink->buffer_len, error)
                   : connection_send(sink->connection, sink->buffer, sink->buffer_len, error);
        rewind(sink->out);
        (void)fflush(sink->out); /* the stream's length follows its position */
    }
    if (code == 0 && sink->connection != NULL)
        code = connection_settle(sink->connection, error);
    return code;
}
