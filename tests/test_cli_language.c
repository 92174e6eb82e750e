/* The commands of docs/pruning.md as somebody types them, one after the other, in a folder with a
 * model, texts and a table: no option but those written there. */
#include "cli_support.h"
#include "language_support.h"

#include "data/npz_write.h"

enum { ROWS = 120, COLUMNS = 40 };

static void put_piece(FILE *file, const char *piece, float score, int type) {
    size_t length = strlen(piece);
    fprintf(file, "\x0a%c\x0a%c%s\x15", (char)(length + 9), (char)length, piece);
    fwrite(&score, 4, 1, file);
    fprintf(file, "\x18%c", (char)type);
}

/* SentencePiece with a piece for every byte, the blank and every letter. */
static void write_tokenizer(const char *path) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    put_piece(file, "<unk>", 0, 2);
    put_piece(file, "<s>", 0, 3);
    put_piece(file, "</s>", 0, 3);
    for (int i = 3; i < TINY_VOCABULARY; i++) {
        char piece[8];
        snprintf(piece, sizeof piece, i < 259 ? "<0x%02X>" : "%c", i < 259 ? i - 3 : i - 260 + 'a');
        put_piece(file, i == 259 ? "\xe2\x96\x81" : piece, (float)-i, i < 259 ? 6 : 1);
    }
    fwrite("\x12\x02\x18\x02", 1, 4, file); /* trainer: byte-pair encoding */
    assert_int_equal(fclose(file), 0);
}

static void write_rows(pare_context *ctx, const char *path) {
    static float x[ROWS * COLUMNS];
    static uint8_t y[ROWS];
    pare_npz npz;
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    for (int64_t i = 0; i < ROWS * COLUMNS; i++) {
        x[i] = tiny_normal(2000, i);
        y[i / COLUMNS] = i % COLUMNS == 0 ? x[i] > 0 : y[i / COLUMNS];
    }
    pare_npz_begin(ctx, file, &npz);
    assert_ok(ctx, pare_npz_add(&npz, "x", "<f4", sizeof x[0], ROWS, COLUMNS, x));
    assert_ok(ctx, pare_npz_add(&npz, "y", "|u1", sizeof y[0], ROWS, 0, y));
    pare_npz_end(&npz);
    assert_int_equal(fclose(file), 0);
}

static int setup(void **state) {
    pare_context *ctx = NULL;
    pare_lm lm;
    if (folder_enter(state) != 0 || mkdir("MODEL", 0777) != 0 ||
        pare_context_create(NULL, &ctx) != PARE_OK) {
        return -1;
    }
    pare_lm_shape shape = {.architecture = "llama",
                           .layers = 3,
                           .hidden = 64,
                           .head_dim = 8,
                           .vocabulary = TINY_VOCABULARY,
                           .context = 256,
                           .rope_base = 10000,
                           .norm_epsilon = 1e-5,
                           .tied = true,
                           .bos = 1,
                           .eos = 2};
    tiny_make_shape(ctx, shape, (pare_lm_layer){8, 4, 96}, &lm);
    assert_ok(ctx, pare_lm_write_hf(&lm, PARE_DTYPE_F32, "MODEL", NULL));
    pare_lm_clear(&lm);
    write_tokenizer("MODEL/tokenizer.model");
    write_rows(ctx, "train.npz");
    tiny_write_text("calibration.txt", 1000);
    tiny_write_text("t.txt", 1000);
    tiny_write_text("test.txt", 600);
    pare_context_destroy(ctx);
    return 0;
}

static int teardown(void **state) {
    return system("rm -rf MODEL pruned") == 0 ? folder_leave(state) : -1;
}

/* To be quick: a recovery on 4 thousand tokens, not on 2 millions, and layers of 40 units, not of
 * 400. */
static void test_commands(void **state) {
    (void)state;
    static const struct {
        const char *line, *says[3];
    } commands[] = {
        {"model info MODEL", {"layer 0 to 2: 8 heads, 4 key/value heads, 96 channels"}},
        {"prune MODEL --text calibration.txt --budget latency=0.6 --out pruned/",
         {"budget: latency=0.6\n", "measured step after: ", "largest difference of a logit: "}},
        {"prune MODEL --text t.txt --structure layers,heads,ffn,hidden --uniform --round 32 "
         "--recover 4k-tokens --out pruned/",
         {"budget: params=0.75\n", "divergence at its end: ", "largest difference of a logit: "}},
        {"prune MODEL --structure blocks --block 32x32 --sparsity 0.9 --out pruned/",
         {"blocks of 32 x 32, share of the matrices in them: ", "written to: pruned/",
          "largest difference of a logit: "}},
        {"perplexity MODEL --text test.txt --context 256 --stride 128",
         {"perplexity: ", "protocol: windows, ", "256 tokens, 128 apart"}},
        {"generate MODEL --prompt \"Once upon a time\"", {"Once upon a time"}},
        {"generate pruned --prompt \"Once upon a time\"", {"Once upon a time"}},
        {"latency MODEL --batch 1 --prompt 128 --generate 64",
         {"one step of the model, measured: ", "attention with one key/value head: "}},
        {"prune-network train.npz --hidden 40,40,40 --block 20 --sparsity 0.97",
         {"40 x 40", "inputs no block reads: ", "sparse"}},
    };
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strncmp(commands[i].line, "prune ", 6) == 0) {
            assert_int_equal(system("rm -rf pruned"), 0);
        }
        if (cli_run(commands[i].line) != 0) {
            fail_msg("%s: %s", commands[i].line, cli_err);
        }
        for (int j = 0; j < 3 && commands[i].says[j]; j++) {
            if (!strstr(cli_out, commands[i].says[j])) {
                fail_msg("%s: '%s' is not in\n%s", commands[i].line, commands[i].says[j], cli_out);
            }
        }
        if (strncmp(commands[i].line, "generate", 8) == 0) {
            assert_non_null(strstr(cli_err, "tokens a second"));
        }
    }
}

/* A budget that nobody gave is said before the work and after it, and is what the same budget
 * named gives. */
static void test_default_budget(void **state) {
    (void)state;
    static char text[CLI_TEXT_MAX];
    static const char *const budgets[] = {"", " --budget params=0.75"};
    for (int i = 0; i < 2; i++) {
        char line[256];
        snprintf(line, sizeof line,
                 "prune MODEL --text t.txt --calibration 2%s --out pruned --overwrite", budgets[i]);
        assert_int_equal(cli_run(line), 0);
        assert_true(!strstr(cli_err, "budget params=0.75 (the default)") == (i > 0));
        char *end = strstr(cli_out, "measured step");
        assert_non_null(end);
        *end = 0;
        assert_non_null(strstr(cli_out, "budget: params=0.75\n"));
        if (i == 0) {
            snprintf(text, sizeof text, "%s", cli_out);
        }
    }
    assert_string_equal(cli_out, text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_default_budget),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
