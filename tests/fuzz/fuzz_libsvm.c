/* The first byte chooses the block size; the rest is the file. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    if (length > 0) {
        fuzz_read(bytes + 1, length - 1, "libsvm", "auto", *bytes & 1 ? 16 : 0);
    }
    return 0;
}
