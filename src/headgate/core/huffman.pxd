cdef Py_ssize_t decode_huffman(const unsigned char* data, Py_ssize_t size, char* out) noexcept nogil
