#include "resolver/net/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdint.h>
#include <stdlib.h>

struct tls_client {
    SSL_CTX *context;
};

struct tls_ticket {
    SSL_SESSION *session;
};

struct tls {
    SSL *ssl;
    BIO *in, *out; /* owned by ssl */
    struct tls_ticket *ticket;
};

static int on_session(SSL *ssl, SSL_SESSION *session)
{
    struct tls *tls = SSL_get_app_data(ssl);

    SSL_SESSION_free(tls->ticket->session);
    tls->ticket->session = session;
    return 1; /* the reference is ours now */
}

static const char *openssl_reason(void)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());

    return reason ? reason : "unknown reason";
}

int tls_client_create(bool for_dns, struct tls_client **out_client, struct bl_error *error)
{
    struct tls_client *client = calloc(1, sizeof *client);
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    if (!client || !context)
        goto fail;
    client->context = context;
    /* RFC 8310 section 8.1, RFC 9325 section 3.1.1. */
    if (!SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) ||
        !SSL_CTX_set_default_verify_paths(context) ||
        (for_dns && SSL_CTX_set_alpn_protos(context, (const unsigned char *)"\3dot", 4) != 0))
        goto fail;
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    SSL_CTX_sess_set_new_cb(context, on_session);
    *out_client = client;
    return 0;

fail:
    SSL_CTX_free(context);
    free(client);
    return bl_error_set(error, -ENOMEM, "cannot set up TLS: %s", openssl_reason());
}

void tls_client_destroy(struct tls_client *client)
{
    if (!client)
        return;
    SSL_CTX_free(client->context);
    free(client);
}

int tls_ticket_create(struct tls_ticket **out_ticket)
{
    *out_ticket = calloc(1, sizeof **out_ticket);
    return *out_ticket ? 0 : -ENOMEM;
}

void tls_ticket_destroy(struct tls_ticket *ticket)
{
    if (!ticket)
        return;
    SSL_SESSION_free(ticket->session);
    free(ticket);
}

/* The name, or the address, that the certificate must bear (RFC 6125, RFC 8310 section 8.1). */
static bool expect_name(SSL *ssl, const char *name)
{
    uint8_t address[16];

    if (inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name);
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    /* OpenSSL's macro casts "const" away, which clang minds; what it calls makes its own copy. */
    return SSL_set1_host(ssl, name) && SSL_set_tlsext_host_name(ssl, (char *)(uintptr_t)name);
}

int tls_create(struct tls_client *client, const char *name, struct tls_ticket *ticket,
               struct tls **out_tls)
{
    struct tls *tls = calloc(1, sizeof *tls);

    if (!tls)
        return -ENOMEM;
    tls->ticket = ticket;
    tls->ssl = SSL_new(client->context);
    tls->in = BIO_new(BIO_s_mem());
    tls->out = BIO_new(BIO_s_mem());
    if (!tls->ssl || !tls->in || !tls->out || !expect_name(tls->ssl, name)) {
        BIO_free(tls->in);
        BIO_free(tls->out);
        SSL_free(tls->ssl);
        free(tls);
        return -ENOMEM;
    }
    BIO_set_mem_eof_return(tls->in, -1); /* nothing there yet: try again */
    SSL_set_bio(tls->ssl, tls->in, tls->out);
    SSL_set_app_data(tls->ssl, tls);
    SSL_set_connect_state(tls->ssl);
    if (ticket->session)
        (void)SSL_set_session(tls->ssl, ticket->session);
    *out_tls = tls;
    return 0;
}

void tls_destroy(struct tls *tls)
{
    if (!tls)
        return;
    /* A session stays resumable only when its connection ended in order; the peer learns of the end
     * from the closed connection. */
    SSL_set_quiet_shutdown(tls->ssl, 1);
    SSL_shutdown(tls->ssl);
    SSL_free(tls->ssl);
    free(tls);
}

int tls_handshake(struct tls *tls, struct bl_error *error)
{
    int code, cause;
    long verified;

    ERR_clear_error();
    code = SSL_do_handshake(tls->ssl);
    if (code == 1)
        return 1;
    cause = SSL_get_error(tls->ssl, code);
    if (cause == SSL_ERROR_WANT_READ || cause == SSL_ERROR_WANT_WRITE)
        return 0;
    verified = SSL_get_verify_result(tls->ssl);
    if (verified != X509_V_OK)
        return bl_error_set(error, -EPROTO, "its certificate is not good: %s",
                            X509_verify_cert_error_string(verified));
    return bl_error_set(error, -EPROTO, "the TLS handshake failed: %s", openssl_reason());
}

int tls_feed(struct tls *tls, const uint8_t *bytes, size_t len)
{
    return BIO_write(tls->in, bytes, (int)len) == (int)len ? 0 : -ENOMEM;
}

ssize_t tls_read(struct tls *tls, uint8_t *bytes, size_t room)
{
    size_t len = 0;
    int cause;

    ERR_clear_error();
    if (SSL_read_ex(tls->ssl, bytes, room, &len))
        return (ssize_t)len;
    cause = SSL_get_error(tls->ssl, 0);
    if (cause == SSL_ERROR_WANT_READ || cause == SSL_ERROR_WANT_WRITE)
        return 0;
    return cause == SSL_ERROR_ZERO_RETURN ? -EPIPE : -EPROTO;
}

int tls_write(struct tls *tls, const uint8_t *bytes, size_t len)
{
    size_t written = 0;

    ERR_clear_error();
    return SSL_write_ex(tls->ssl, bytes, len, &written) && written == len ? 0 : -EPROTO;
}

size_t tls_take(struct tls *tls, uint8_t *bytes, size_t room)
{
    int len = BIO_read(tls->out, bytes, room > 65536 ? 65536 : (int)room);

    return len > 0 ? (size_t)len : 0;
}

bool tls_was_resumed(const struct tls *tls)
{
    return SSL_session_reused(tls->ssl);
}
