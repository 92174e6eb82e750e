/* Language models through the program: the whole way, and everything that can be wrong. */
#include "cli_support.h"
#include "language_support.h"

static pare_context *ctx;

static int setup(void **state) {
    if (folder_enter(state) != 0 || mkdir("hf", 0777) != 0 ||
        pare_context_create(NULL, &ctx) != PARE_OK) {
        return -1;
    }
    pare_lm lm;
    tiny_make(ctx, "llama", false, &lm);
    assert_ok(ctx, pare_lm_write_hf(&lm, PARE_DTYPE_F32, "hf", NULL));
    assert_ok(ctx, pare_lm_write_gguf(&lm, PARE_DTYPE_F32, NULL, "plain.gguf"));
    for (int i = 0; i < 2; i++) {
        pare_lm other;
        tiny_make(ctx, i == 0 ? "gpt2" : "gpt_neox", false, &other);
        if (mkdir(i == 0 ? "gpt2" : "neox", 0777) != 0) {
            return -1;
        }
        assert_ok(ctx, pare_lm_write_hf(&other, PARE_DTYPE_F32, i == 0 ? "gpt2" : "neox", NULL));
        pare_lm_clear(&other);
    }
    static const char index[] =
        "{\"weight_map\": {\"model.embed_tokens.weight\": \"model-00001-of-00002.safetensors\"}}";
    if (mkdir("sharded", 0777) != 0) {
        return -1;
    }
    assert_ok(ctx, pare_lm_write_hf(&lm, PARE_DTYPE_F32, "sharded", NULL));
    assert_int_equal(unlink("sharded/model.safetensors"), 0);
    cli_write("sharded/model.safetensors.index.json", index, sizeof index - 1);
    lm.layer[1][PARE_LM_UP].own[5] = NAN;
    assert_ok(ctx, pare_lm_write_gguf(&lm, PARE_DTYPE_F32, NULL, "nan.gguf"));
    pare_lm_clear(&lm);
    tiny_write_tokenizer("tokenizer.bin");
    static const char larger[] = "{\"model\": {\"type\": \"BPE\", \"vocab\": {";
    FILE *file = fopen("larger.json", "wb");
    assert_non_null(file);
    fputs(larger, file);
    for (int i = 0; i < TINY_VOCABULARY + 7; i++) {
        fprintf(file, "%s\"t%d\": %d", i > 0 ? ", " : "", i, i);
    }
    fputs("}, \"merges\": []}}", file);
    assert_int_equal(fclose(file), 0);
    tiny_write_text("text", 3000);
    tiny_write_text("short", 10);
    cli_write("none", "", 0);
    return 0;
}

/* The folders first; the files are folder_leave's. */
static int teardown(void **state) {
    pare_context_destroy(ctx);
    return system("rm -rf hf out m*ny gpt2 neox sharded own") == 0 ? folder_leave(state) : -1;
}

static double number_after(const char *text, const char *name) {
    const char *at = strstr(text, name);
    if (!at) {
        fail_msg("'%s' is not in: %s", name, text);
        return NAN;
    }
    return strtod(at + strlen(name), NULL);
}

#define TEXT "--tokenizer tokenizer.bin --text text --context 32 "

static void test_info(void **state) {
    (void)state;
    assert_int_equal(cli_run("model info plain.gguf"), 0);
    assert_non_null(strstr(cli_out, "layer 0 to 2: 6 heads, 3 key/value heads, 24 channels"));
    assert_non_null(strstr(cli_out, "in layers 7008"));
    assert_int_equal(cli_run("model info hf"), 0);
    assert_int_equal(cli_run("latency hf --batch 2 --prompt 8 --generate 4"), 0);
    assert_true(number_after(cli_out, "measured: ") > 0);
}

static void test_prune(void **state) {
    (void)state;
    assert_int_equal(cli_run("perplexity hf " TEXT), 0);
    assert_true(number_after(cli_out, "perplexity: ") > 1);
    static const char *const options[] = {
        "hf --budget params=0.7 --gguf",
        "hf --budget bytes=0.9 --structure heads,ffn --uniform --round 4 --gguf --dtype bf16",
        "hf --budget params=0.85 --structure query-heads,ffn --gguf",
        "plain.gguf --budget latency=0.9 --structure query-heads,mlp --gguf",
        "plain.gguf --budget flops=0.8 --criterion sequential-attention --mask-steps 8",
        "plain.gguf --budget latency=0.9 --structure layers",
        "gpt2 --budget params=0.7",
        "neox --budget params=0.7 --structure heads,ffn --uniform --dtype f32",
        "hf --budget params=0.7 --structure layers --criterion sequential-attention --recover 1k",
        "hf --budget params=0.6 --structure layers,heads,ffn,hidden --uniform --round 8 --recover "
        "1k "
        "--gguf",
    };
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        char line[512];
        snprintf(line, sizeof line, "prune %s " TEXT "--calibration 8 --out out --overwrite",
                 options[i]);
        if (cli_run(line) != 0) {
            fail_msg("%s: %s", line, cli_err);
        }
        assert_true(number_after(cli_out, "kept: ") < 1);
        double bound = i == 1 ? 2 : 1e-3;
        assert_true(number_after(cli_out, "difference of a logit: ") < bound);
        assert_true(number_after(cli_out, "measured step after: ") > 0);
        assert_int_equal(cli_run("perplexity out " TEXT), 0);
        double score = number_after(cli_out, "perplexity: ");
        if (i < 3) {
            assert_int_equal(cli_run("perplexity out/model.gguf " TEXT), 0);
            double same = number_after(cli_out, "perplexity: ");
            assert_true(fabs(score - same) < (i == 1 ? 1e-2 : 1e-3) * score); /* bfloat16 */
        }
    }
    assert_int_equal(cli_count("out"), 1); /* nothing partial */
    assert_int_equal(cli_run("prune hf " TEXT "--budget params=0.5 --rehearse --calibration 8 "
                             "--out new --criterion sequential-attention"),
                     0);
    assert_true(number_after(cli_out, "most memory resident: ") > 0);
    assert_int_equal(cli_count("new"), 0); /* a rehearsal writes nothing */
}

static void test_report(void **state) {
    (void)state;
    static char page[CLI_TEXT_MAX];
    if (cli_run("prune hf " TEXT "--calibration 8 --windows 4 --generate 4 --out many "
                "--budgets params=0.8,0.6 --report report.html") != 0) {
        fail_msg("%s", cli_err);
    }
    assert_true(cli_exists("many/0.8/config.json"));
    assert_true(cli_exists("many/0.6/config.json"));
    assert_non_null(strstr(cli_out, "budget: params=0.6"));
    cli_read("report.html", page);
    static const char *const says[] = {
        "What is left at params=0.8",
        "What is left at params=0.6",
        "id=\"perplexity-title\"",
        "id=\"step-title\"",
        "protocol windows: 4 windows",
        "calibrated on; option test",
        "after the begin token",
        "layer 2</text>",
        "query heads",
        "</html>",
    };
    for (size_t i = 0; i < sizeof says / sizeof says[0]; i++) {
        if (!strstr(page, says[i])) {
            fail_msg("'%s' is not in the report", says[i]);
        }
    }
    assert_int_equal(cli_run("prune hf " TEXT "--structure blocks --block 16 --sparsity 0.5 "
                             "--generate 4 --out out --overwrite --report report.html"),
                     0);
    cli_read("report.html", page);
    assert_non_null(strstr(page, "No structure went"));
    assert_null(strstr(page, "What is left"));
}

/* Rows of tokens that the text never uses go: the text costs no more than before; so does the model
 * with other structures gone. */
static void test_vocabulary(void **state) {
    (void)state;
    assert_int_equal(cli_run("perplexity hf " TEXT), 0);
    double before = number_after(cli_out, "nats per token: ");
    double tokens = number_after(cli_out, "tokens scored: ");
    if (cli_run("prune hf " TEXT "--structure vocabulary --gguf --out out --overwrite") != 0) {
        fail_msg("%s", cli_err);
    }
    assert_true(number_after(cli_out, "vocabulary: ") < TINY_VOCABULARY + 0.5);
    assert_true(number_after(cli_out, "difference of a logit: ") < 1e-3);
    assert_int_equal(cli_run("perplexity out/model.gguf --text text --context 32"), 0);
    assert_true(number_after(cli_out, "nats per token: ") < before + 1e-4);
    assert_true(fabs(number_after(cli_out, "tokens scored: ") - tokens) < 0.5);
    if (cli_run("prune hf " TEXT "--structure heads,ffn,vocabulary --budget params=0.8 --gguf "
                "--calibration 8 --out out --overwrite") != 0) {
        fail_msg("%s", cli_err);
    }
    assert_int_equal(cli_run("generate out/model.gguf --prompt abc --generate 4"), 0);
}

/* The same lines as an object a model, names as selections hold them; nothing else on standard
 * output. */
static void test_json(void **state) {
    (void)state;
    if (cli_run("prune hf " TEXT "--calibration 8 --out m\xe4ny --overwrite --budgets "
                "params=0.95,0.9,0.85,0.8,0.75,0.7,0.65,0.6 --json") != 0) {
        fail_msg("%s", cli_err);
    }
    assert_memory_equal(cli_out, "{\n  \"format\": \"pare pruning\"", 27);
    static const char *const says[] = {"\"models\": [",
                                       "\"shape\": [",
                                       "{\"from\": 0, \"to\": ",
                                       "\"layers\": 3,",
                                       "\"kept\": 0.",
                                       "\"budget\": \"params=0.8\",",
                                       "\"budget\": \"params=0.6\",",
                                       "\"written_to\": \"m\xf4\x8f\xbb\xa4ny/0.6\",",
                                       "\"calibration_loss_after\": ",
                                       "\"measured_share\": "};
    for (size_t i = 0; i < sizeof says / sizeof says[0]; i++) {
        if (!strstr(cli_out, says[i])) {
            fail_msg("'%s' is not in\n%s", says[i], cli_out);
        }
    }
    int64_t open = 0, quotes = 0;
    for (const char *at = cli_out; *at; at++) {
        quotes += *at == '"';
        open += *at == '{' || *at == '[' ? 1 : *at == '}' || *at == ']' ? -1 : 0;
    }
    assert_int_equal(open, 0);
    assert_int_equal(quotes % 2, 0);
}

static void test_generate(void **state) {
    (void)state;
    assert_int_equal(cli_run("generate hf --tokenizer tokenizer.bin --prompt abc --generate 9"), 0);
    char first[256];
    snprintf(first, sizeof first, "%.200s", cli_out);
    assert_int_equal(strncmp(first, "abc", 3), 0);
    assert_non_null(strstr(cli_err, "tokens a second"));
    assert_int_equal(cli_run("generate hf --tokenizer tokenizer.bin --prompt abc --generate 9 "
                             "--threads 1"),
                     0);
    assert_int_equal(strncmp(first, cli_out, 200), 0);
}

/* The protocol changes what is scored. */
static void test_protocol(void **state) {
    (void)state;
    assert_int_equal(cli_run("perplexity hf " TEXT "--windows 5"), 0);
    assert_true(number_after(cli_out, "tokens scored: ") == 5 * 31);
    assert_int_equal(cli_run("perplexity hf " TEXT "--windows 5 --protocol llama.cpp"), 0);
    assert_true(number_after(cli_out, "tokens scored: ") == 5 * 15);
    assert_int_equal(cli_run("perplexity hf " TEXT "--windows 5 --stride 8"), 0);
    assert_true(number_after(cli_out, "tokens scored: ") == 31 + 4 * 8);
}

static void test_bad(void **state) {
    (void)state;
    static const struct {
        const char *arguments;
        int code;
        const char *says[2];
    } cases[] = {
        {"model info missing", 2, {"missing"}},
        {"model info text", 2, {"text"}},
        {"model show hf", 2, {"'show'"}},
        {"model info nan.gguf", 2, {"up_proj", "not finite"}},
        {"model info nan.gguf", 2, {"model.layers.1.mlp.up_proj.weight", "nan.gguf"}},
        {"model info sharded", 2, {"model-00001-of-00002.safetensors", "No such file"}},
        {"perplexity hf --tokenizer larger.json --text text", 2, {"293 tokens", "286"}},
        {"perplexity hf --text text", 2, {"no tokenizer", "hf"}},
        {"perplexity hf --tokenizer tokenizer.bin", 2, {"option text"}},
        {"perplexity hf --tokenizer tokenizer.bin --text none", 2, {"none", "empty"}},
        {"perplexity hf --tokenizer tokenizer.bin --text gone", 2, {"gone"}},
        {"perplexity hf --tokenizer tokenizer.bin --text short --context 32", 2, {"one window"}},
        {"perplexity hf " TEXT "--stride 33", 2, {"stride"}},
        {"perplexity hf --tokenizer tokenizer.bin --text text --context 500", 2, {"context"}},
        {"perplexity hf --tokenizer text --text text", 2, {"text"}},
        {"prune hf " TEXT "--budget params=0.5", 2, {"option out"}},
        {"prune hf " TEXT "--rehearse --budget params=0.5 --recover 1k", 2, {"option rehearse"}},
        {"prune hf " TEXT "--rehearse --budgets params=0.5", 2, {"option rehearse"}},
        {"prune hf " TEXT "--out o --structure vocabulary", 2, {"option gguf is needed"}},
        {"prune hf " TEXT "--out o --budget params=1.5", 2, {"params=1.5"}},
        {"prune hf " TEXT "--out o --budget params=0.5 --recover 1G", 2, {"'1G'", "1M-tokens"}},
        {"prune hf " TEXT "--out o --budget size=0.5", 2, {"size=0.5"}},
        {"prune hf " TEXT "--out o --budget params=0.5 --structure arms", 2, {"'arms'", "heads"}},
        {"prune hf " TEXT "--out o --budget bytes=0.1", 2, {"the least is"}},
        {"prune hf " TEXT "--out o --budget params=0.5 --round 25", 2, {"only 24 channels"}},
        {"prune hf " TEXT
         "--out o --budget params=0.5 --structure layers,ffn --criterion perplexity",
         2,
         {"layers alone"}},
        {"prune hf " TEXT "--out gpt2 --budget params=0.5", 2, {"exists already", "--overwrite"}},
        {"prune hf " TEXT "--out hf --overwrite", 2, {"out: 'hf' is read"}},
        {"prune hf " TEXT "--out own --overwrite", 2, {"own: is not replaced", "has thesis.tex"}},
        {"prune hf " TEXT "--out o --budgets params=0.5,1.5", 2, {"params=0.5,1.5"}},
        {"prune hf " TEXT "--out o --budgets params=0.5,0.5", 2, {"different shares"}},
        {"prune hf " TEXT "--out o --budgets 0.5", 2, {"option budgets: '0.5'"}},
        {"prune hf " TEXT "--out o --budgets size=0.5", 2, {"size=0.5"}},
        {"prune hf " TEXT "--out o --budgets params=0.5 --budget params=0.5", 2, {"in place of"}},
        {"prune hf " TEXT "--out gpt2 --budgets params=0.5", 2, {"exists already", "--overwrite"}},
        {"prune hf " TEXT "--out o --budget params=0.5 --report no/r", 3, {"cannot be written"}},
        {"prune hf " TEXT "--out o --budget params=0.5 --report r --test gone", 2, {"gone"}},
        {"prune hf " TEXT "--out no/o --budget params=0.9", 3, {"cannot be written"}},
        {"prune gpt2 " TEXT "--out o --budget params=0.9 --gguf", 2, {"gpt2 becomes", "only"}},
        {"generate hf --tokenizer tokenizer.bin --prompt a --generate 100", 2, {"made for 48"}},
        {"latency hf", 2, {"48 tokens"}},
    };
    assert_int_equal(mkdir("own", 0777), 0);
    cli_write("own/thesis.tex", "work", 4);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int code = cli_run(cases[i].arguments);
        for (int j = 0; j < 2; j++) {
            bool said = !cases[i].says[j] || strstr(cli_err, cases[i].says[j]);
            if (code != cases[i].code || !said) {
                fail_msg("%s: code %d, %s", cases[i].arguments, code, cli_err);
            }
        }
        assert_false(cli_exists("o"));
    }
    assert_int_equal(cli_count("o."), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_info),       cmocka_unit_test(test_prune),
        cmocka_unit_test(test_report),     cmocka_unit_test(test_json),
        cmocka_unit_test(test_vocabulary), cmocka_unit_test(test_generate),
        cmocka_unit_test(test_protocol),   cmocka_unit_test(test_bad),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
