/* The first byte chooses block size, header and format; the rest is the file. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    static const char *const headers[] = {"auto", "yes", "no", "auto"};
    static const int64_t blocks[] = {0, 1, 16, 64};
    if (length > 0) {
        fuzz_read(bytes + 1, length - 1, *bytes & 16 ? "tsv" : "csv", headers[*bytes & 3],
                  blocks[*bytes >> 2 & 3]);
    }
    return 0;
}
