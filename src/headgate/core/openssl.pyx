"""OpenSSL, the very one that the interpreter's `ssl` uses.

Contexts are configured with Python's `ssl`; connections are driven here, because an SSLObject costs a
connection too much time and memory, and because `ssl` knows no ticket keys. The functions are looked up
in what the interpreter has loaded: nothing is linked and no header is needed, and where `_ssl` is built
in, they are found in the program itself. Another copy of OpenSSL is never taken: its objects may differ.

Where it cannot be used, REASON says why and context_of() raises it: what speaks no TLS goes on.
"""

import _ssl
import os
import ssl
import sys

from cpython.object cimport PyObject
from libc.stdint cimport uint32_t


cdef extern from "dlfcn.h" nogil:
    void* dlopen(const char* path, int flags)
    void* dlsym(void* handle, const char* name)
    int RTLD_NOW


cdef extern from "Python.h":
    size_t HEAD_BYTES "sizeof(PyObject)"


class OpenSslMissing(Exception):
    """The interpreter's OpenSSL cannot be used; the text says why."""


cdef int _take(void* handle, const char* name, void** place, list missing) except -1:
    place[0] = dlsym(handle, name)
    if place[0] == NULL:
        missing.append(name.decode())
    return 0


cdef str _load():
    """Look everything up. Why it cannot be used, or ""."""
    cdef void* handle
    cdef list missing = []
    if not ssl.OPENSSL_VERSION.startswith("OpenSSL ") or ssl.OPENSSL_VERSION_INFO < (1, 1, 1):
        return f"{ssl.OPENSSL_VERSION} is not OpenSSL 1.1.1 or later"
    path = getattr(_ssl, "__file__", None)
    # dlsym looks into the libraries that `_ssl` was linked with as well.
    handle = dlopen(os.fsencode(path), RTLD_NOW) if path else dlopen(NULL, RTLD_NOW)
    if handle == NULL:
        return f"{path or sys.executable} cannot be opened"
    _take_common(handle, missing)
    openssl.old = ssl.OPENSSL_VERSION_INFO < (3, 0)
    if openssl.old:
        _take_old(handle, missing)
    else:
        _take_new(handle, missing)
    if not missing:
        return ""
    some = ", ".join(missing[:3]) + (" and more" if len(missing) > 3 else "")
    return f"the OpenSSL of {sys.executable} lacks {some}"


cdef int _take_common(void* handle, list missing) except -1:
    _take(handle, b"SSL_CTX_ctrl", <void**>&openssl.SSL_CTX_ctrl, missing)
    _take(handle, b"SSL_CTX_get_options", <void**>&openssl.SSL_CTX_get_options, missing)
    _take(handle, b"SSL_CTX_set_options", <void**>&openssl.SSL_CTX_set_options, missing)
    _take(handle, b"SSL_CTX_set_session_id_context", <void**>&openssl.SSL_CTX_set_session_id_context, missing)
    _take(handle, b"SSL_CTX_set_num_tickets", <void**>&openssl.SSL_CTX_set_num_tickets, missing)
    _take(handle, b"SSL_CTX_set_verify_depth", <void**>&openssl.SSL_CTX_set_verify_depth, missing)
    _take(handle, b"SSL_CTX_get_verify_mode", <void**>&openssl.SSL_CTX_get_verify_mode, missing)
    _take(handle, b"SSL_CTX_set_keylog_callback", <void**>&openssl.SSL_CTX_set_keylog_callback, missing)
    _take(handle, b"SSL_new", <void**>&openssl.SSL_new, missing)
    _take(handle, b"SSL_free", <void**>&openssl.SSL_free, missing)
    _take(handle, b"SSL_set_bio", <void**>&openssl.SSL_set_bio, missing)
    _take(handle, b"SSL_get_rbio", <void**>&openssl.SSL_get_rbio, missing)
    _take(handle, b"SSL_set_accept_state", <void**>&openssl.SSL_set_accept_state, missing)
    _take(handle, b"SSL_set_connect_state", <void**>&openssl.SSL_set_connect_state, missing)
    _take(handle, b"SSL_do_handshake", <void**>&openssl.SSL_do_handshake, missing)
    _take(handle, b"SSL_read", <void**>&openssl.SSL_read, missing)
    _take(handle, b"SSL_write", <void**>&openssl.SSL_write, missing)
    _take(handle, b"SSL_shutdown", <void**>&openssl.SSL_shutdown, missing)
    _take(handle, b"SSL_set_shutdown", <void**>&openssl.SSL_set_shutdown, missing)
    _take(handle, b"SSL_get_error", <void**>&openssl.SSL_get_error, missing)
    _take(handle, b"SSL_ctrl", <void**>&openssl.SSL_ctrl, missing)
    _take(handle, b"SSL_get0_alpn_selected", <void**>&openssl.SSL_get0_alpn_selected, missing)
    _take(handle, b"SSL_get_version", <void**>&openssl.SSL_get_version, missing)
    _take(handle, b"SSL_get_current_cipher", <void**>&openssl.SSL_get_current_cipher, missing)
    _take(handle, b"SSL_CIPHER_get_name", <void**>&openssl.SSL_CIPHER_get_name, missing)
    _take(handle, b"SSL_session_reused", <void**>&openssl.SSL_session_reused, missing)
    _take(handle, b"SSL_get_peer_cert_chain", <void**>&openssl.SSL_get_peer_cert_chain, missing)
    _take(handle, b"SSL_get_verify_result", <void**>&openssl.SSL_get_verify_result, missing)
    _take(handle, b"SSL_get0_param", <void**>&openssl.SSL_get0_param, missing)
    _take(handle, b"SSL_get1_session", <void**>&openssl.SSL_get1_session, missing)
    _take(handle, b"SSL_set_session", <void**>&openssl.SSL_set_session, missing)
    _take(handle, b"SSL_SESSION_is_resumable", <void**>&openssl.SSL_SESSION_is_resumable, missing)
    _take(handle, b"SSL_SESSION_free", <void**>&openssl.SSL_SESSION_free, missing)
    _take(handle, b"OPENSSL_sk_num", <void**>&openssl.OPENSSL_sk_num, missing)
    _take(handle, b"OPENSSL_sk_value", <void**>&openssl.OPENSSL_sk_value, missing)
    _take(handle, b"i2d_X509", <void**>&openssl.i2d_X509, missing)
    _take(handle, b"X509_free", <void**>&openssl.X509_free, missing)
    _take(handle, b"X509_verify_cert_error_string", <void**>&openssl.X509_verify_cert_error_string, missing)
    _take(handle, b"X509_VERIFY_PARAM_set1_host", <void**>&openssl.X509_VERIFY_PARAM_set1_host, missing)
    _take(handle, b"X509_VERIFY_PARAM_set1_ip_asc", <void**>&openssl.X509_VERIFY_PARAM_set1_ip_asc, missing)
    _take(handle, b"X509_VERIFY_PARAM_set_hostflags",
          <void**>&openssl.X509_VERIFY_PARAM_set_hostflags, missing)
    _take(handle, b"BIO_meth_new", <void**>&openssl.BIO_meth_new, missing)
    _take(handle, b"BIO_meth_set_read", <void**>&openssl.BIO_meth_set_read, missing)
    _take(handle, b"BIO_meth_set_write", <void**>&openssl.BIO_meth_set_write, missing)
    _take(handle, b"BIO_meth_set_ctrl", <void**>&openssl.BIO_meth_set_ctrl, missing)
    _take(handle, b"BIO_new", <void**>&openssl.BIO_new, missing)
    _take(handle, b"BIO_set_data", <void**>&openssl.BIO_set_data, missing)
    _take(handle, b"BIO_get_data", <void**>&openssl.BIO_get_data, missing)
    _take(handle, b"BIO_set_init", <void**>&openssl.BIO_set_init, missing)
    _take(handle, b"BIO_set_flags", <void**>&openssl.BIO_set_flags, missing)
    _take(handle, b"BIO_clear_flags", <void**>&openssl.BIO_clear_flags, missing)
    _take(handle, b"ERR_peek_last_error", <void**>&openssl.ERR_peek_last_error, missing)
    _take(handle, b"ERR_clear_error", <void**>&openssl.ERR_clear_error, missing)
    _take(handle, b"ERR_reason_error_string", <void**>&openssl.ERR_reason_error_string, missing)
    _take(handle, b"SSL_CTX_set_session_ticket_cb", <void**>&openssl.SSL_CTX_set_session_ticket_cb, missing)
    _take(handle, b"SSL_SESSION_get0_peer", <void**>&openssl.SSL_SESSION_get0_peer, missing)
    _take(handle, b"SSL_SESSION_get_protocol_version",
          <void**>&openssl.SSL_SESSION_get_protocol_version, missing)
    _take(handle, b"X509_get0_notAfter", <void**>&openssl.X509_get0_notAfter, missing)
    _take(handle, b"X509_cmp_current_time", <void**>&openssl.X509_cmp_current_time, missing)
    _take(handle, b"RAND_bytes", <void**>&openssl.RAND_bytes, missing)
    _take(handle, b"EVP_aes_256_cbc", <void**>&openssl.EVP_aes_256_cbc, missing)
    _take(handle, b"EVP_EncryptInit_ex", <void**>&openssl.EVP_EncryptInit_ex, missing)
    _take(handle, b"EVP_DecryptInit_ex", <void**>&openssl.EVP_DecryptInit_ex, missing)
    return 0


cdef int _take_new(void* handle, list missing) except -1:
    """What came with OpenSSL 3.0."""
    _take(handle, b"SSL_get1_peer_certificate", <void**>&openssl.SSL_get1_peer_certificate, missing)
    _take(handle, b"SSL_CTX_set_tlsext_ticket_key_evp_cb",
          <void**>&openssl.SSL_CTX_set_tlsext_ticket_key_evp_cb, missing)
    _take(handle, b"EVP_MAC_CTX_set_params", <void**>&openssl.EVP_MAC_CTX_set_params, missing)
    return 0


cdef int _take_old(void* handle, list missing) except -1:
    """What it took the place of: distributions with long support have OpenSSL 1.1.1."""
    _take(handle, b"SSL_get_peer_certificate", <void**>&openssl.SSL_get1_peer_certificate, missing)
    _take(handle, b"SSL_CTX_callback_ctrl", <void**>&openssl.SSL_CTX_callback_ctrl, missing)
    _take(handle, b"HMAC_Init_ex", <void**>&openssl.HMAC_Init_ex, missing)
    _take(handle, b"EVP_sha256", <void**>&openssl.EVP_sha256, missing)
    return 0


cdef inline void* _pointer(object context) noexcept:
    """The SSL_CTX, which CPython keeps directly behind the head of its object."""
    return (<void**>(<char*><PyObject*>context + HEAD_BYTES))[0]


cdef bint _agrees(object context) except -1:
    """Whether what is taken for the SSL_CTX of a context says what the context says."""
    cdef void* pointer = _pointer(context)
    return (pointer != NULL
            and <uint32_t>openssl.SSL_CTX_get_options(pointer) == <uint32_t>(context.options & 0xFFFFFFFF)
            and openssl.SSL_CTX_get_verify_mode(pointer) == _VERIFY_MODES[context.verify_mode])


cdef str _check():
    """Whether a context holds what it is taken to hold, before and after changes that `ssl` makes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for option in (ssl.OP_NO_TICKET, ssl.OP_NO_COMPRESSION, ssl.OP_CIPHER_SERVER_PREFERENCE):
        for mode in _VERIFY_MODES:
            context.options ^= option
            context.verify_mode = mode
            if not _agrees(context):
                return f"contexts of Python {sys.version.split()[0]} have an unknown layout"
    return ""


# SSL_VERIFY_PEER is 1, SSL_VERIFY_FAIL_IF_NO_PEER_CERT 2.
cdef dict _VERIFY_MODES = {ssl.CERT_NONE: 0, ssl.CERT_OPTIONAL: 1, ssl.CERT_REQUIRED: 3}

REASON = _load()
REASON = REASON or _check()


cdef void* context_of(object context) except NULL:
    """The SSL_CTX of an ssl.SSLContext, which lives as long as that. Raises OpenSslMissing."""
    if REASON:
        raise OpenSslMissing(REASON)
    if not isinstance(context, ssl.SSLContext):
        raise TypeError(f"an ssl.SSLContext is needed, not {type(context).__name__}")
    if not _agrees(context):
        raise OpenSslMissing("the context is not one that the interpreter's OpenSSL made")
    return _pointer(context)
