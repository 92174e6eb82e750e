/* Tokenizers with fewer pieces: a text cut as before, files that read back, what is refused. */
#include "folder_support.h"
#include "support.h"

#include "base/text.h"
#include "model/tokenizer/tokenizer.h"

enum { SPECIAL = 3, BYTES = 256, WORDS = 10, PIECES = SPECIAL + BYTES + WORDS };

/* Unused by "abc ab": "d", "cd" and "bc", which loses to "ab". */
static const char *const words[WORDS] = {"\xe2\x96\x81",
                                         "a",
                                         "b",
                                         "c",
                                         "d",
                                         "ab",
                                         "bc",
                                         "abc",
                                         "\xe2\x96\x81"
                                         "ab",
                                         "cd"};
static const char text[] = "abc ab";

static void put_piece(FILE *file, const char *piece, float score, int type) {
    size_t length = strlen(piece);
    fprintf(file, "\x0a%c\x0a%c%s\x15", (char)(length + 9), (char)length, piece);
    fwrite(&score, 4, 1, file);
    fprintf(file, "\x18%c", (char)type);
}

/* A SentencePiece model of byte-pair merges. bytes: with pieces for bytes; user: a user-defined
 * piece at the end. */
static int64_t write_model(const char *path, bool bytes, bool user) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    put_piece(file, "<unk>", 0, 2);
    put_piece(file, "<s>", 0, 3);
    put_piece(file, "</s>", 0, 3);
    for (int i = 0; bytes && i < BYTES; i++) {
        char piece[8];
        snprintf(piece, sizeof piece, "<0x%02X>", (unsigned)i);
        put_piece(file, piece, 0, 6);
    }
    for (int i = 0; i < WORDS; i++) {
        put_piece(file, words[i], (float)-i, 1);
    }
    if (user) {
        put_piece(file, "<user>", 0, 4);
    }
    fwrite("\x12\x02\x18\x02", 1, 4, file); /* trainer: byte-pair encoding */
    assert_int_equal(fclose(file), 0);
    return SPECIAL + (bytes ? BYTES : 0) + WORDS + user;
}

static pare_status open_file(pare_context *ctx, const char *path, int64_t size,
                             pare_tokenizer **out) {
    const pare_checkpoint checkpoint = {.ctx = ctx,
                                        .shape = {.vocabulary = size, .bos = 1, .eos = 2}};
    return pare_tokenizer_open(&checkpoint, path, out);
}

/* The pieces a text is cut into, joined by '|'. */
static void pieces_of(pare_context *ctx, const pare_tokenizer *t, const char *of, char out[256]) {
    const pare_stored_vocabulary *v = pare_tokenizer_vocabulary(t);
    int32_t *token = NULL;
    int64_t count = 0, at = 0;
    assert_int_equal(pare_tokenizer_encode(t, of, (int64_t)strlen(of), true, &token, &count),
                     PARE_OK);
    for (int64_t i = 0; i < count; i++) {
        at += snprintf(out + at, (size_t)(256 - at), "%s|", v->piece[token[i]]);
    }
    pare_free(ctx, token);
}

static pare_status marks(const pare_tokenizer *t, uint8_t keep[PIECES + 1]) {
    memset(keep, 0, PIECES + 1);
    pare_status status = pare_tokenizer_used(t, text, (int64_t)strlen(text), keep);
    return status == PARE_OK ? pare_tokenizer_needed(t, keep) : status;
}

static void test_same(void **state) {
    (void)state;
    for (int bytes = 0; bytes < 2; bytes++) {
        pare_context *ctx = NULL;
        pare_tokenizer *all = NULL, *some = NULL, *again = NULL;
        uint8_t keep[PIECES + 1];
        char before[256], after[256];
        int64_t size = write_model("all.model", bytes > 0, false);
        assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
        assert_ok(ctx, open_file(ctx, "all.model", size, &all));
        assert_ok(ctx, marks(all, keep));
        const uint8_t *word = keep + size - WORDS;
        assert_true(word[1] && word[5] && word[7] == 1); /* a, ab on the way, abc */
        assert_true(!word[6] && !word[9]);               /* bc, cd */
        assert_int_equal(word[4], bytes > 0 ? 0 : 1);    /* d, which bytes can spell */
        assert_ok(ctx, pare_tokenizer_keep(all, keep, &some));
        assert_int_equal(pare_tokenizer_size(some), size - (bytes > 0 ? 3 : 2));
        assert_true(pare_tokenizer_is_sentencepiece(all));
        assert_ok(ctx, pare_tokenizer_write_kept(all, keep, "some.model"));
        assert_ok(ctx, open_file(ctx, "some.model", pare_tokenizer_size(some), &again));
        assert_int_equal(pare_tokenizer_size(again), pare_tokenizer_size(some));
        pieces_of(ctx, all, text, before);
        pieces_of(ctx, some, text, after);
        assert_string_equal(before, after);
        pieces_of(ctx, some, "dbc cd", before); /* by other pieces, the same from the file */
        pieces_of(ctx, again, "dbc cd", after);
        assert_string_equal(before, after);
        assert_non_null(strstr(before, bytes > 0 ? "<0x64>" : "|d|"));
        assert_null(strstr(before, "<unk>"));
        assert_int_equal(pare_tokenizer_bos(again), 1);
        pare_tokenizer_close(all);
        pare_tokenizer_close(some);
        pare_tokenizer_close(again);
        pare_context_destroy(ctx);
    }
}

static void test_numbers_stay(void **state) {
    (void)state;
    pare_context *ctx = NULL;
    pare_tokenizer *t = NULL;
    uint8_t keep[PIECES + 1];
    assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
    assert_ok(ctx, open_file(ctx, "all.model", write_model("all.model", true, true), &t));
    assert_int_equal(marks(t, keep), PARE_ERROR_UNSUPPORTED);
    assert_non_null(strstr(pare_context_error(ctx), "its number would change"));
    pare_tokenizer_close(t);
    pare_context_destroy(ctx);
}

static void test_allocations(void **state) {
    (void)state;
    int64_t size = write_model("all.model", false, false);
    bool done = false;
    for (int64_t fail_at = 0; !done; fail_at++) {
        test_allocator counter = {.fail_at = -1};
        pare_allocator allocator = test_allocator_of(&counter);
        pare_context *ctx = NULL;
        pare_tokenizer *all = NULL, *some = NULL;
        uint8_t keep[PIECES + 1];
        assert_int_equal(pare_context_create(&allocator, &ctx), PARE_OK);
        assert_ok(ctx, open_file(ctx, "all.model", size, &all));
        counter.fail_at = counter.count + fail_at;
        pare_status status = marks(all, keep);
        if (status == PARE_OK) {
            status = pare_tokenizer_keep(all, keep, &some);
        }
        if (status == PARE_OK) {
            status = pare_tokenizer_write_kept(all, keep, "some.model");
        }
        done = counter.count <= counter.fail_at;
        assert_int_equal(status, done ? PARE_OK : PARE_ERROR_MEMORY);
        pare_tokenizer_close(all);
        pare_tokenizer_close(some);
        pare_context_destroy(ctx);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same),
        cmocka_unit_test(test_numbers_stay),
        cmocka_unit_test(test_allocations),
    };
    return cmocka_run_group_tests(tests, folder_enter, folder_leave);
}
