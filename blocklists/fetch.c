#include "blocklists/fetch.h"

#include <curl/curl.h>
#include <errno.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blocklists/fetch_cache.h"
#include "blocklists/fetch_lookup.h"

enum { URL_MAX = 4096, HEAD_MAX = 64, ADDRESSES_TEXT_MAX = 1024 };

static const uint64_t SIZE_DEFAULT = 512 << 20;

/* One download under way. */
struct transfer {
    struct bl_fetch *fetch;
    const struct bl_fetch_options *options;
    size_t index;
    CURL *handle;
    struct curl_slist *headers, *resolve;
    char url[URL_MAX]; /* asked now, after redirections */
    unsigned redirects;
    int fd; /* of the part, or -1 */
    char part[CACHE_PATH_MAX];
    EVP_MD_CTX *hash;
    uint64_t bytes;
    size_t head_len;
    char head[HEAD_MAX];
    struct cache_meta had, got; /* of the copy at hand; of what comes */
    bool failed;                /* by our own judgement: fetch->error says why */
    char why[CURL_ERROR_SIZE];
};

bool bl_is_url(const char *location)
{
    return strstr(location, "://") != NULL;
}

static int transfer_fail(struct transfer *transfer, int code, const char *what)
{
    transfer->failed = true;
    transfer->fetch->code = code;
    return bl_error_set(&transfer->fetch->error, code, "%s: %s", transfer->fetch->url, what);
}

static void transfer_rewind(struct transfer *transfer)
{
    transfer->bytes = 0;
    transfer->head_len = 0;
    transfer->why[0] = '\0';
    memset(&transfer->got, 0, sizeof transfer->got);
}

static void transfer_fini(struct transfer *transfer)
{
    curl_easy_cleanup(transfer->handle);
    curl_slist_free_all(transfer->headers);
    curl_slist_free_all(transfer->resolve);
    EVP_MD_CTX_free(transfer->hash);
    if (transfer->fd >= 0) {
        close(transfer->fd);
        unlink(transfer->part); /* gone already when it was adopted */
    }
}

static size_t body_take(char *data, size_t one, size_t len, void *user)
{
    struct transfer *transfer = user;
    uint64_t size_max = transfer->options->size_max ? transfer->options->size_max : SIZE_DEFAULT;
    long status = 0;
    size_t written = 0;

    len *= one;
    curl_easy_getinfo(transfer->handle, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200) /* what comes with a redirection is for people */
        return len;
    transfer->bytes += len;
    if (transfer->bytes > size_max) {
        transfer_fail(transfer, -EFBIG, "the list is larger than the limit for downloads");
        return 0;
    }
    for (size_t i = 0; i < len && transfer->head_len < HEAD_MAX; i++)
        transfer->head[transfer->head_len++] = data[i];
    EVP_DigestUpdate(transfer->hash, data, len);
    while (written < len) {
        ssize_t step = write(transfer->fd, data + written, len - written);

        if (step < 0 && errno == EINTR)
            continue;
        if (step < 0) {
            transfer_fail(transfer, -errno, strerror(errno));
            return 0;
        }
        written += (size_t)step;
    }
    return len;
}

/* Keeps a header's value, but not one that a line of the meta file cannot hold. */
static void header_keep(const char *line, size_t len, const char *name, char value[CACHE_VALUE_MAX])
{
    size_t name_len = strlen(name);

    if (len <= name_len || strncasecmp(line, name, name_len) != 0)
        return;
    line += name_len;
    len -= name_len;
    while (len > 0 && (*line == ' ' || *line == '\t')) {
        line++;
        len--;
    }
    while (len > 0 && strchr("\r\n \t", line[len - 1]))
        len--;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)line[i] < ' ' || (unsigned char)line[i] > '~')
            return;
    if (len < CACHE_VALUE_MAX)
        snprintf(value, CACHE_VALUE_MAX, "%.*s", (int)len, line);
}

static size_t header_take(char *data, size_t one, size_t len, void *user)
{
    struct transfer *transfer = user;

    len *= one;
    header_keep(data, len, "etag:", transfer->got.etag);
    header_keep(data, len, "last-modified:", transfer->got.modified);
    return len;
}

static int progress_tell(void *user, curl_off_t expected, curl_off_t got, curl_off_t out_expected,
                         curl_off_t sent)
{
    struct transfer *transfer = user;

    (void)got;
    (void)out_expected;
    (void)sent;
    if (transfer->options->progress)
        transfer->options->progress(transfer->options->user, transfer->index, transfer->bytes,
                                    expected > 0 ? (uint64_t)expected : 0);
    return 0;
}

/* Gives curl the addresses of the host, so that it asks nobody. Where the bootstrap servers know
 * none, the machine's resolver is the last resort. */
static int bootstrap_use(struct transfer *transfer)
{
    CURLU *url = curl_url();
    char *host = NULL, *port = NULL;
    char addresses[ADDRESSES_TEXT_MAX], entry[ADDRESSES_TEXT_MAX + 512];
    int rc = -EINVAL;

    if (!url || curl_url_set(url, CURLUPART_URL, transfer->url, 0) != CURLUE_OK ||
        curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
        curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK) {
        transfer_fail(transfer, rc, "this is not an address on the web");
        goto out;
    }
    rc = 0;
    if (!transfer->options->bootstrap || strspn(host, "0123456789.") == strlen(host) ||
        host[0] == '[')
        goto out;
    if (host_lookup(transfer->options->bootstrap, host, addresses, sizeof addresses) == 0 &&
        snprintf(entry, sizeof entry, "+%s:%s:%s", host, port, addresses) < (int)sizeof entry) {
        curl_slist_free_all(transfer->resolve);
        transfer->resolve = curl_slist_append(NULL, entry);
        curl_easy_setopt(transfer->handle, CURLOPT_RESOLVE, transfer->resolve);
    }
out:
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(url);
    return rc;
}

static int scheme_check(struct transfer *transfer, const char *url)
{
    if (strncasecmp(url, "https://", 8) == 0)
        return 0;
    if (strncasecmp(url, "http://", 7) != 0)
        return transfer_fail(transfer, -EPROTONOSUPPORT, "lists are fetched by https only");
    if (strncasecmp(transfer->url, "https://", 8) == 0 && transfer->redirects > 0)
        return transfer_fail(transfer, -EPROTO,
                             "it leads from https to http, which anybody could alter");
    if (!transfer->options->insecure)
        return transfer_fail(transfer, -EPROTO,
                             "by http anybody on the way could alter the list; https is needed, or "
                             "--insecure where you know the way");
    return 0;
}

/* What stays the same over redirections. */
static void handle_set_up(struct transfer *transfer)
{
    const struct bl_fetch_options *options = transfer->options;
    unsigned connect_s = options->connect_s ? options->connect_s : BL_FETCH_CONNECT_S;
    unsigned stall_s = options->stall_s ? options->stall_s : BL_FETCH_STALL_S;
    unsigned total_s = options->total_s ? options->total_s : BL_FETCH_TOTAL_S;
    uint64_t size_max = options->size_max ? options->size_max : SIZE_DEFAULT;
    CURL *handle = transfer->handle;

    curl_easy_setopt(handle, CURLOPT_PRIVATE, transfer);
    curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, options->insecure ? "http,https" : "https");
    curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(handle, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_USERAGENT, "chalkgate/" CHALKGATE_VERSION);
    curl_easy_setopt(handle, CURLOPT_ACCEPT_ENCODING, "");
    curl_easy_setopt(handle, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)size_max);
    curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT, (long)connect_s);
    curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, 100L);
    curl_easy_setopt(handle, CURLOPT_LOW_SPEED_TIME, (long)stall_s);
    curl_easy_setopt(handle, CURLOPT_TIMEOUT, (long)total_s);
    curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, transfer->why);
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, body_take);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, header_take);
    curl_easy_setopt(handle, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, progress_tell);
    curl_easy_setopt(handle, CURLOPT_XFERINFODATA, transfer);
    curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
    if (options->ca_file)
        curl_easy_setopt(handle, CURLOPT_CAINFO, options->ca_file);
}

/* Asks for a list only if it is not the one at hand. */
static void validators_add(struct transfer *transfer)
{
    char header[CACHE_VALUE_MAX + 32];

    if (transfer->had.etag[0]) {
        snprintf(header, sizeof header, "If-None-Match: %s", transfer->had.etag);
        transfer->headers = curl_slist_append(transfer->headers, header);
    }
    if (transfer->had.modified[0]) {
        snprintf(header, sizeof header, "If-Modified-Since: %s", transfer->had.modified);
        transfer->headers = curl_slist_append(transfer->headers, header);
    }
    curl_easy_setopt(transfer->handle, CURLOPT_HTTPHEADER, transfer->headers);
}

/* Prepares the request to transfer->url. */
static int transfer_ask(struct transfer *transfer)
{
    transfer_rewind(transfer);
    if (transfer->fd < 0) {
        transfer->fd =
            cache_part_create(transfer->options->cache, transfer->part, &transfer->fetch->error);
        if (transfer->fd < 0) {
            transfer->failed = true;
            return transfer->fetch->code = transfer->fd;
        }
    }
    if (ftruncate(transfer->fd, 0) < 0 || lseek(transfer->fd, 0, SEEK_SET) < 0 ||
        !EVP_DigestInit_ex(transfer->hash, EVP_sha256(), NULL))
        return transfer_fail(transfer, -EIO, "the download cannot be stored");
    curl_easy_setopt(transfer->handle, CURLOPT_URL, transfer->url);
    return bootstrap_use(transfer);
}

/* 1: nothing need be asked, for the copy at hand has the hash that was promised. */
static int transfer_begin(struct transfer *transfer)
{
    struct bl_fetch *fetch = transfer->fetch;

    transfer->fd = -1;
    fetch->outcome = BL_FETCH_FAILED;
    fetch->code = 0;
    fetch->bytes = 0;
    fetch->error.text[0] = '\0';
    if (snprintf(transfer->url, sizeof transfer->url, "%s", fetch->url) >= URL_MAX)
        return transfer_fail(transfer, -ENAMETOOLONG, "the address is too long");
    if (scheme_check(transfer, fetch->url) < 0)
        return fetch->code;
    cache_meta_read(transfer->options->cache, fetch->url, &transfer->had);
    if (fetch->sha256 && strcasecmp(fetch->sha256, transfer->had.sha256) == 0) {
        fetch->outcome = BL_FETCH_SAME;
        return 1;
    }
    transfer->handle = curl_easy_init();
    transfer->hash = EVP_MD_CTX_new();
    if (!transfer->handle || !transfer->hash)
        return transfer_fail(transfer, -ENOMEM, "there is not enough memory for a download");
    handle_set_up(transfer);
    validators_add(transfer);
    return transfer_ask(transfer);
}

/* 1: go on with the address it leads to. */
static int transfer_redirect(struct transfer *transfer)
{
    char *target = NULL;

    curl_easy_getinfo(transfer->handle, CURLINFO_REDIRECT_URL, &target);
    if (!target)
        return transfer_fail(transfer, -EPROTO, "it leads elsewhere without saying where");
    if (++transfer->redirects > BL_FETCH_REDIRECTS_MAX)
        return transfer_fail(transfer, -ELOOP, "it leads from one address to the next without end");
    if (scheme_check(transfer, target) < 0)
        return transfer->fetch->code;
    if (snprintf(transfer->url, sizeof transfer->url, "%s", target) >= URL_MAX)
        return transfer_fail(transfer, -ENAMETOOLONG, "it leads to an address that is too long");
    return transfer_ask(transfer) < 0 ? transfer->fetch->code : 1;
}

static int curl_fault(struct transfer *transfer, CURLcode result)
{
    char what[BL_ERROR_MAX];
    long status = 0;

    if (transfer->failed)
        return transfer->fetch->code;
    switch (result) {
    case CURLE_HTTP_RETURNED_ERROR:
        curl_easy_getinfo(transfer->handle, CURLINFO_RESPONSE_CODE, &status);
        snprintf(what, sizeof what, "the server answered %ld%s", status,
                 status == 404   ? " (there is no such list)"
                 : status == 403 ? " (not allowed)"
                 : status >= 500 ? " (it has a fault of its own)"
                                 : "");
        return transfer_fail(transfer, status == 404 ? -ENOENT : -EIO, what);
    case CURLE_COULDNT_RESOLVE_HOST:
        return transfer_fail(transfer, -EHOSTUNREACH, "the server's address could not be found");
    case CURLE_PEER_FAILED_VERIFICATION:
        snprintf(what, sizeof what,
                 "the server cannot be trusted (%.160s); --ca-file names a "
                 "certificate that can",
                 transfer->why[0] ? transfer->why : curl_easy_strerror(result));
        return transfer_fail(transfer, -EIO, what);
    case CURLE_COULDNT_CONNECT:
        return transfer_fail(transfer, -ECONNREFUSED, "the server could not be reached");
    case CURLE_OPERATION_TIMEDOUT:
        snprintf(what, sizeof what, "the server was too slow; %llu octets had come",
                 (unsigned long long)transfer->bytes);
        return transfer_fail(transfer, -ETIMEDOUT, what);
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
        snprintf(what, sizeof what, "the download was cut off after %llu octets",
                 (unsigned long long)transfer->bytes);
        return transfer_fail(transfer, -ECONNRESET, what);
    case CURLE_FILESIZE_EXCEEDED:
        return transfer_fail(transfer, -EFBIG, "the list is larger than the limit for downloads");
    default:
        return transfer_fail(transfer, -EIO,
                             transfer->why[0] ? transfer->why : curl_easy_strerror(result));
    }
}

static bool head_is_page(const struct transfer *transfer)
{
    size_t at = 0;

    while (at < transfer->head_len && strchr(" \t\r\n\xef\xbb\xbf", transfer->head[at]))
        at++;
    return at < transfer->head_len && transfer->head[at] == '<';
}

/* Everything came; is it a list, and the right one? */
static int transfer_accept(struct transfer *transfer)
{
    struct bl_fetch *fetch = transfer->fetch;
    uint8_t digest[EVP_MAX_MD_SIZE];
    char what[BL_ERROR_MAX];

    if (transfer->bytes == 0)
        return transfer_fail(transfer, -ENODATA, "the list is empty");
    EVP_DigestFinal_ex(transfer->hash, digest, NULL);
    for (size_t i = 0; i < 32; i++)
        snprintf(transfer->got.sha256 + 2 * i, 3, "%02x", digest[i]);
    if (fetch->sha256 && strcasecmp(fetch->sha256, transfer->got.sha256) != 0) {
        snprintf(what, sizeof what, "it is not what was expected: its SHA-256 is %s, not %.80s",
                 transfer->got.sha256, fetch->sha256);
        return transfer_fail(transfer, -EBADMSG, what);
    }
    if (head_is_page(transfer))
        return transfer_fail(transfer, -EILSEQ, "it is a web page instead of a list");
    if (fchmod(transfer->fd, 0644) < 0 || fsync(transfer->fd) < 0)
        return transfer_fail(transfer, -errno, strerror(errno));
    fetch->code = cache_adopt(transfer->options->cache, fetch->url, transfer->part, &transfer->got,
                              &fetch->error);
    if (fetch->code < 0)
        return fetch->code;
    /* Servers without validators send all of it each time. */
    fetch->outcome =
        strcmp(transfer->had.sha256, transfer->got.sha256) == 0 ? BL_FETCH_SAME : BL_FETCH_NEW;
    return 0;
}

/* 1: the transfer goes on at another address; otherwise it is over, and fetch says how. */
static int transfer_done(struct transfer *transfer, CURLcode result)
{
    char what[64];
    long status = 0;

    transfer->fetch->bytes = transfer->bytes;
    if (result != CURLE_OK)
        return curl_fault(transfer, result);
    curl_easy_getinfo(transfer->handle, CURLINFO_RESPONSE_CODE, &status);
    if (status == 200)
        return transfer_accept(transfer);
    if (status == 304 && transfer->had.sha256[0]) {
        transfer->fetch->outcome = BL_FETCH_SAME;
        return 0;
    }
    if (status == 301 || status == 302 || status == 303 || status == 307 || status == 308)
        return transfer_redirect(transfer);
    snprintf(what, sizeof what, "the server answered %ld", status);
    return transfer_fail(transfer, -EIO, what);
}

/* All downloads, of which `active` are with curl. */
struct fleet {
    CURLM *multi;
    struct transfer *transfers;
    size_t count, next, active;
};

static void fleet_fill(struct fleet *fleet)
{
    while (fleet->active < BL_FETCH_PARALLEL && fleet->next < fleet->count) {
        struct transfer *transfer = &fleet->transfers[fleet->next++];

        if (transfer_begin(transfer) == 0 &&
            curl_multi_add_handle(fleet->multi, transfer->handle) == CURLM_OK)
            fleet->active++;
        else
            transfer_fini(transfer);
    }
}

static void fleet_collect(struct fleet *fleet)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(fleet->multi, &left))) {
        CURL *handle = message->easy_handle;
        CURLcode result = message->data.result;
        struct transfer *transfer = NULL;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(handle, CURLINFO_PRIVATE, &transfer);
        curl_multi_remove_handle(fleet->multi, handle);
        fleet->active--;
        if (transfer_done(transfer, result) == 1 &&
            curl_multi_add_handle(fleet->multi, handle) == CURLM_OK)
            fleet->active++;
        else
            transfer_fini(transfer);
    }
}

static pthread_once_t curl_ready = PTHREAD_ONCE_INIT;

static void curl_prepare(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

int bl_fetch_all(struct bl_fetch *fetches, size_t count, const struct bl_fetch_options *options,
                 struct bl_error *error)
{
    struct fleet fleet = {.count = count};
    int rc = cache_prepare(options->cache, error);
    int running;

    if (rc < 0)
        return rc;
    pthread_once(&curl_ready, curl_prepare);
    fleet.multi = curl_multi_init();
    fleet.transfers = calloc(count ? count : 1, sizeof *fleet.transfers);
    if (!fleet.multi || !fleet.transfers) {
        rc = bl_error_set(error, -ENOMEM, "there is not enough memory for downloads");
        goto out;
    }
    for (size_t i = 0; i < count; i++) {
        fleet.transfers[i].fetch = &fetches[i];
        fleet.transfers[i].options = options;
        fleet.transfers[i].index = i;
    }
    for (fleet_fill(&fleet); fleet.active > 0; fleet_fill(&fleet)) {
        curl_multi_perform(fleet.multi, &running);
        fleet_collect(&fleet);
        if (running > 0)
            curl_multi_poll(fleet.multi, NULL, 0, 200, NULL);
    }
out:
    free(fleet.transfers);
    curl_multi_cleanup(fleet.multi);
    return rc;
}
