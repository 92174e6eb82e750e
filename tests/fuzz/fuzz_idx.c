#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    fuzz_read(bytes, length, "idx", "auto", 0);
    return 0;
}
