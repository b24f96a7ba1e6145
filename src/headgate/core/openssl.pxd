"""The functions of OpenSSL that are called, as the interpreter's own `_ssl` brought them along."""

from libc.stdint cimport uint64_t


# One parameter of EVP_MAC_CTX_set_params (openssl/core.h).
cdef struct Parameter:
    const char* key
    unsigned int data_type
    void* data
    size_t data_size
    size_t return_size


ctypedef int (*TicketCallback)(void*, unsigned char*, unsigned char*, void*, void*, int) noexcept
ctypedef int (*TicketUse)(void*, void*, const unsigned char*, size_t, int, void*) noexcept
ctypedef void (*KeyLogCallback)(const void*, const char*) noexcept
ctypedef int (*BioRead)(void*, char*, int) noexcept
ctypedef int (*BioWrite)(void*, const char*, int) noexcept
ctypedef long (*BioControl)(void*, int, long, void*) noexcept


cdef struct OpenSsl:
    bint old                    # 1.1.1: before 3.0
    # Contexts
    long (*SSL_CTX_ctrl)(void*, int, long, void*) noexcept
    uint64_t (*SSL_CTX_get_options)(const void*) noexcept
    uint64_t (*SSL_CTX_set_options)(void*, uint64_t) noexcept
    int (*SSL_CTX_set_session_id_context)(void*, const unsigned char*, unsigned int) noexcept
    int (*SSL_CTX_set_num_tickets)(void*, size_t) noexcept
    void (*SSL_CTX_set_verify_depth)(void*, int) noexcept
    int (*SSL_CTX_get_verify_mode)(const void*) noexcept
    void (*SSL_CTX_set_keylog_callback)(void*, KeyLogCallback) noexcept
    # Connections
    void* (*SSL_new)(void*) noexcept
    void (*SSL_free)(void*) noexcept
    void (*SSL_set_bio)(void*, void*, void*) noexcept
    void* (*SSL_get_rbio)(const void*) noexcept
    void (*SSL_set_accept_state)(void*) noexcept
    void (*SSL_set_connect_state)(void*) noexcept
    int (*SSL_do_handshake)(void*) noexcept
    int (*SSL_read)(void*, void*, int) noexcept
    int (*SSL_write)(void*, const void*, int) noexcept
    int (*SSL_shutdown)(void*) noexcept
    void (*SSL_set_shutdown)(void*, int) noexcept
    int (*SSL_get_error)(const void*, int) noexcept
    long (*SSL_ctrl)(void*, int, long, void*) noexcept
    void (*SSL_get0_alpn_selected)(const void*, const unsigned char**, unsigned int*) noexcept
    const char* (*SSL_get_version)(const void*) noexcept
    const void* (*SSL_get_current_cipher)(const void*) noexcept
    const char* (*SSL_CIPHER_get_name)(const void*) noexcept
    int (*SSL_session_reused)(const void*) noexcept
    void* (*SSL_get1_peer_certificate)(const void*) noexcept    # SSL_get_peer_certificate in 1.1.1
    void* (*SSL_get_peer_cert_chain)(const void*) noexcept
    long (*SSL_get_verify_result)(const void*) noexcept
    void* (*SSL_get0_param)(void*) noexcept
    void* (*SSL_get1_session)(void*) noexcept
    int (*SSL_set_session)(void*, void*) noexcept
    int (*SSL_SESSION_is_resumable)(const void*) noexcept
    void (*SSL_SESSION_free)(void*) noexcept
    # Certificates
    int (*OPENSSL_sk_num)(const void*) noexcept
    void* (*OPENSSL_sk_value)(const void*, int) noexcept
    int (*i2d_X509)(const void*, unsigned char**) noexcept
    void (*X509_free)(void*) noexcept
    const char* (*X509_verify_cert_error_string)(long) noexcept
    int (*X509_VERIFY_PARAM_set1_host)(void*, const char*, size_t) noexcept
    int (*X509_VERIFY_PARAM_set1_ip_asc)(void*, const char*) noexcept
    void (*X509_VERIFY_PARAM_set_hostflags)(void*, unsigned int) noexcept
    # What a connection reads from and writes to
    void* (*BIO_meth_new)(int, const char*) noexcept
    int (*BIO_meth_set_read)(void*, BioRead) noexcept
    int (*BIO_meth_set_write)(void*, BioWrite) noexcept
    int (*BIO_meth_set_ctrl)(void*, BioControl) noexcept
    void* (*BIO_new)(const void*) noexcept
    void (*BIO_set_data)(void*, void*) noexcept
    void* (*BIO_get_data)(void*) noexcept
    void (*BIO_set_init)(void*, int) noexcept
    void (*BIO_set_flags)(void*, int) noexcept
    void (*BIO_clear_flags)(void*, int) noexcept
    # Errors
    unsigned long (*ERR_peek_last_error)() noexcept
    void (*ERR_clear_error)() noexcept
    const char* (*ERR_reason_error_string)(unsigned long) noexcept
    # Tickets
    int (*SSL_CTX_set_session_ticket_cb)(void*, void*, TicketUse, void*) noexcept
    void* (*SSL_SESSION_get0_peer)(void*) noexcept
    int (*SSL_SESSION_get_protocol_version)(const void*) noexcept
    const void* (*X509_get0_notAfter)(const void*) noexcept
    int (*X509_cmp_current_time)(const void*) noexcept
    int (*RAND_bytes)(unsigned char*, int) noexcept
    const void* (*EVP_aes_256_cbc)() noexcept
    int (*EVP_EncryptInit_ex)(void*, const void*, void*, const unsigned char*, const unsigned char*) noexcept
    int (*EVP_DecryptInit_ex)(void*, const void*, void*, const unsigned char*, const unsigned char*) noexcept
    # Tickets, from 3.0 on
    int (*SSL_CTX_set_tlsext_ticket_key_evp_cb)(void*, TicketCallback) noexcept
    int (*EVP_MAC_CTX_set_params)(void*, const Parameter*) noexcept
    # Tickets in 1.1.1
    long (*SSL_CTX_callback_ctrl)(void*, int, TicketCallback) noexcept
    int (*HMAC_Init_ex)(void*, const void*, int, const void*, void*) noexcept
    const void* (*EVP_sha256)() noexcept


cdef OpenSsl openssl
cdef void* context_of(object context) except NULL
