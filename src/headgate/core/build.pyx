"""How this core was compiled; `headgate version` prints it."""

cdef extern from *:
    """
    #if defined(__clang__)
    #define HEADGATE_COMPILER "clang " __clang_version__
    #elif defined(__GNUC__)
    #define HEADGATE_COMPILER "gcc " __VERSION__
    #else
    #define HEADGATE_COMPILER "unknown"
    #endif
    #ifndef HEADGATE_FLAGS
    #define HEADGATE_FLAGS ""
    #endif
    #define HEADGATE_CYTHON CYTHON_HEX_VERSION
    """
    const char* HEADGATE_COMPILER
    const char* HEADGATE_FLAGS
    unsigned int HEADGATE_CYTHON


def compiler() -> str:
    """The C compiler and its version, for example "gcc 12.2.0"."""
    return HEADGATE_COMPILER.decode("ascii").strip()


def flags() -> str:
    """The flags added to those that this Python was built with."""
    return HEADGATE_FLAGS.decode("ascii")


def cython() -> str:
    """The version of Cython that wrote the C code, for example "3.1.2"."""
    return f"{HEADGATE_CYTHON >> 24}.{HEADGATE_CYTHON >> 16 & 255}.{HEADGATE_CYTHON >> 8 & 255}"
