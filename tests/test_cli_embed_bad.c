/* What can be wrong with the arguments and files of `pare embed`: one sentence, exit code 2, the
 * state untouched; and latency as a resource. */
#include "cli_support.h"

#include <math.h>

typedef struct bad_case {
    const char *content; /* of the file `f` */
    const char *arguments;
    const char *says[2];
} bad_case;

#define DAY "a,b,y\n1,1,0\n2,1,1\n1,2,0\n2,3,1\n"

static const bad_case cases[] = {
    {DAY, "day --target y --budget bytes=1", {"fits nothing: the cheapest plan (", "bytes=32"}},
    {DAY, "day --target y --budget lines=0", {"fits nothing: the cheapest plan (", "lines=1"}},
    {DAY,
     "day --target y --budget latency_us=0",
     {"fits nothing: the cheapest plan (", "latency_us="}},
    {DAY, "f --continue s --budget bytes=1", {"fits nothing", "bytes="}},
    {"{\"fields\": {\"zz\": {\"pinned\": true}}}", "day --target y --schema f", {"no field 'zz'"}},
    {"{\"fields\": {\"zz\": {\"pinned\": true}}}",
     "day --continue s --schema f",
     {"no field 'zz'"}},
    {"1 0:1:1\n0 0:18446744073709551616:1\n", "f --format libffm", {"f line 2", "below 2^64"}},
    {"1 0:1:1\n0 0:99999999999999999999999999:1\n", "f --format libffm", {"f line 2", "2^64"}},
    {"a,b,y\n1,1,0\n2,1,2\n", "f --target y --format csv", {"f line 3: '2'", "a label 0 or 1"}},
    {"a,b,y\n1,1,0\n2,1,2\n", "f --continue s --format csv", {"f line 3: '2'", "a label 0 or 1"}},
    {"a,b,y\n1,1,0\n1,1,1\n1,1,0\n1,1,1\n",
     "f --target y --format csv --held-out 0",
     {"every field has a single value"}},
    {"{\"fields\": {\"c\": {\"pinned\": true}}}",
     "day --target y --schema f",
     {"'c' is pinned", "single value"}},
    {"", "f --target y", {"f: no rows"}},
    {"a,b,y\n", "f --target y --format csv", {"f: no rows"}},
    {"", "f --continue s", {"f: no rows"}},
    {"a,b,y\n", "f --continue s --format csv", {"f: no rows"}},
    {"p,q,y\n1,1,0\n2,1,1\n", "f --continue s --format csv", {"none of the fields of the state"}},
    {DAY, "day --continue f", {"f: not a state of pare embed"}},
    {DAY, "day --continue nowhere", {"nowhere"}},
    {DAY, "day --target y --budget bytes=1M,lines=3,bytes=1k", {"bytes is given twice"}},
    {"{\"fields\": {\"a\": 3}}", "day --target y --schema f", {"a JSON object", "'a'"}},
    {DAY, "day --target y --ignore a,nope", {"ignore: there is no column 'nope'"}},
    {DAY, "day --target y --categorical nope", {"categorical: there is no column 'nope'"}},
    {DAY, "day --target y --budget watts=3", {"no resource 'watts'", "latency_us"}},
    {"{\"watts\": 3}", "day --target y --budget f", {"no resource 'watts'"}},
    {"{\"watts\": 3}", "day --continue s --budget f", {"no resource 'watts'"}},
    {DAY, "day --target y --budget bytes=-4", {"bytes: expected a number >= 0"}},
    {"{\"latency_us\": -1}", "day --target y --budget f", {"latency_us: expected a number >= 0"}},
    {"{\"groups\": {\"u\": {\"fetch_us\": -3}}}", "day --target y --schema f", {"fetch_us", "'u'"}},
    {"{\"groups\": {\"u\": {\"fetch_us\": 3, \"group\": \"v\"}, \"v\": {\"fetch_us\": 3, "
     "\"group\": "
     "\"u\"}}}",
     "day --target y --schema f",
     {"never groups", "'u'"}},
    {"{\"groups\": {\"u\": {\"fetch_us\": 3, \"group\": \"u\"}}}",
     "day --continue s --schema f",
     {"never groups", "'u'"}},
    {DAY, "day --target y --budget lines", {"lines: "}},
    {DAY, "day --target y --optimizer sgd", {"optimizer", "row-adagrad"}},
    {DAY, "day --target y --l2 -7", {"l2", "-7"}},
    {DAY, "day --target y --batch many", {"batch", "many"}},
    {DAY, "day --target y --dropout 1", {"dropout", "0.95"}},
    {DAY, "day --target y --normalise layer", {"normalise", "batch"}},
    {DAY, "day --target y --optimizer adam --state t", {"state: ", "row-adagrad"}},
    {DAY, "day --continue s --model fm", {"option model: ", "the state decides it"}},
    {DAY, "day --continue s --crosses 5", {"option crosses: ", "the state decides it"}},
    {DAY, "day --target y --budget gone.json", {"gone.json: cannot be opened: No such file"}},
    {DAY, "day --target y --schema gone.json", {"gone.json: cannot be opened: No such file"}},
    {"{\"fields\": {\"c\": {\"kind\": \"number\"}}}",
     "day --target y --schema f",
     {"day line 2: 'same' in field c"}},
    {DAY, "day --optimizer dense-adam --continue s", {"state: ", "row-adagrad"}},
    {DAY, "day --l2 0.01 --continue s", {"state: ", "row-adagrad"}},
};

static void write_day(const char *name) {
    FILE *file = fopen(name, "wb");
    uint32_t random = 1;
    assert_non_null(file);
    fprintf(file, "a,b,c,y\n");
    for (int i = 0; i < 600; i++) {
        random = random * 1664525U + 1013904223U;
        int a = (int)(random >> 16) % 10, b = (int)(random >> 20) % 7;
        fprintf(file, "%d,%d,same,%d\n", a, b, a % 2 != ((random >> 25) % 5 == 0));
    }
    assert_int_equal(fclose(file), 0);
}

static int start(void **state) {
    if (folder_enter(state) != 0) {
        return -1;
    }
    write_day("day");
    assert_int_equal(cli_run("embed day --format csv --target y --budget lines=2 --state s"), 0);
    return 0;
}

static int finish(void **state) {
    return system("rm -r model mixed own m?") == 0 ? folder_leave(state) : -1;
}

static void bad_input_is_named(void **state) {
    (void)state;
    static char before[CLI_TEXT_MAX], after[CLI_TEXT_MAX];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char arguments[512];
        cli_write("f", cases[i].content, strlen(cases[i].content));
        cli_read("s", before);
        bool day = strncmp(cases[i].arguments, "day", 3) == 0;
        snprintf(arguments, sizeof arguments, "embed %s%s", cases[i].arguments,
                 day ? " --format csv" : "");
        int code = cli_run(arguments);
        if (code != 2) {
            fail_msg("pare %s: exit code %d: %s", arguments, code, cli_err);
        }
        for (size_t k = 0; k < 2 && cases[i].says[k]; k++) {
            if (!strstr(cli_err, cases[i].says[k])) {
                fail_msg("pare %s: '%s' lacks '%s'", arguments, cli_err, cases[i].says[k]);
            }
        }
        assert_ptr_equal(strchr(cli_err, '\n'), cli_err + strlen(cli_err) - 1);
        cli_read("s", after);
        assert_memory_equal(before, after, sizeof before);
    }
}

/* No file of the command line is lost, and only folders of models are replaced. */
static void nothing_is_overwritten(void **state) {
    (void)state;
    static const char *const same[][2] = {
        {"embed day --format csv --target y --out day", "out: 'day' is read"},
        {"embed day --format csv --target y --out hard", "out: 'hard' is read"},
        {"embed day --format csv --target y --out p --report ./p", "report: both name 'p'"},
        {"embed day --format csv --target y --schema s.json --report s.json", "both name 's.json'"},
        {"embed day --format csv --continue s --out s", "both name 's'"},
        {"score model day --format csv --out day", "'day' is read"},
        {"select day -k 1 --target y --format csv --out day", "'day' is read"},
        {"compare day -k 1 --target y --format csv --report day", "'day' is read"},
        {"certify names day --target y --format csv --report names", "'names' is read"},
        {"apply names day --out names", "'names' is read"},
        {"convert day ./day --format csv", "is read and cannot be written too"},
        {"prune-network day --target y --format csv --network day", "'day' is read"},
        {"train day day --overwrite --format csv --target y", "'day' is read"},
        {"train day own --overwrite --format csv --target y", "own: is not replaced: "},
        {"train day own/ --overwrite --format csv --target y", "has thesis.tex"},
        {"train day model --format csv --target y", "--overwrite replaces it"},
        {"train day mixed --overwrite --format csv --target y", "has thesis.tex"}};
    static char before[2][CLI_TEXT_MAX], after[CLI_TEXT_MAX];
    const char *train = "train day %s --format csv --target y --passes 1 --rate 0.1";
    char arguments[128];
    for (int i = 0; i < 2; i++) {
        snprintf(arguments, sizeof arguments, train, i == 0 ? "model" : "mixed");
        assert_int_equal(cli_run(arguments), 0);
    }
    assert_int_equal(mkdir("own", 0777), 0);
    assert_int_equal(link("day", "hard"), 0);
    cli_write("own/thesis.tex", "work", 4);
    cli_write("mixed/thesis.tex", "work", 4);
    cli_write("names", "a\n", 2);
    cli_write("s.json", "{}", 2);
    cli_read("day", before[0]);
    cli_read("s", before[1]);
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        int code = cli_run(same[i][0]);
        if (code != 2 || !strstr(cli_err, same[i][1])) {
            fail_msg("pare %s: exit code %d: %s", same[i][0], code, cli_err);
        }
    }
    cli_read("day", after);
    assert_memory_equal(before[0], after, sizeof after);
    memset(after, 0, sizeof after);
    cli_read("s", after);
    assert_memory_equal(before[1], after, sizeof after);
    cli_read("own/thesis.tex", after);
    assert_string_equal(after, "work");
    assert_false(cli_exists("p"));
    /* What may be: two outputs to nowhere, the state again, a model in place of a model. */
    assert_int_equal(cli_run("embed day --format csv --continue s --state s --out /dev/null "
                             "--report /dev/null"),
                     0);
    assert_int_equal(cli_run("train day model --overwrite --format csv --target y --passes 1"), 0);
}

/* Exit codes and sentences of the commands around plans. */
static void commands_around(void **state) {
    (void)state;
    static const struct {
        const char *arguments;
        int code;
        const char *says;
    } around[] = {
        {"embed day --format csv --target y --passes 1 --state /dev/full", 3, "/dev/full: "},
        {"train day n --format csv --target y --curve", 2, "no option --curve"},
        {"train day n --format csv --target y --host", 2, "no option --host"},
        {"train day n --format csv --target y --plan s --model fm", 2, "the plan decides it"},
        {"train day n --format csv --target y --plan gone", 2, "gone: cannot be opened"},
        {"serve-cost gone", 2, "gone: cannot be opened"},
        {"score gone day", 2, "gone: cannot be opened"},
        {"score model day --format csv --target nope", 2, "no column 'nope'"},
        {"embed day --format csv --target y --passes 1 --quiet", 0, ""}};
    assert_int_equal(
        cli_run("train day model --overwrite --format csv --target y --passes 1 --quiet"), 0);
    assert_string_equal(cli_out, "");
    for (size_t i = 0; i < sizeof around / sizeof around[0]; i++) {
        int code = cli_run(around[i].arguments);
        if (code != around[i].code || !strstr(cli_err, around[i].says) || cli_out[0]) {
            fail_msg("pare %s: exit code %d: %s%s", around[i].arguments, code, cli_err, cli_out);
        }
    }
    assert_string_equal(cli_err, "");
    /* A number that no float holds is told by its field. */
    assert_int_equal(system("sed '572,601s/^[0-9]*,/1e39,/' day > huge"), 0);
    const char *number = "{\"fields\": {\"a\": {\"kind\": \"number\"}}}";
    cli_write("f", number, strlen(number));
    assert_int_equal(cli_run("embed huge --format csv --target y --schema f --by-time "
                             "--held-out 0.1 --passes 1 --rate 0.1"),
                     1);
    assert_non_null(strstr(cli_err, "of field a is"));
}

static void constant_fields_are_left(void **state) {
    (void)state;
    assert_int_equal(cli_run("embed day --format csv --target y"), 0);
    assert_non_null(strstr(cli_out, "dropped: a single value in the training rows"));
}

/* The plan keeps its calibration, by which the same latency is predicted later. */
static void latency_is_a_resource(void **state) {
    (void)state;
    const char *wanted = "\"predicted_us\": {\"p50\": ";
    assert_int_equal(
        cli_run("embed day --format csv --target y --budget latency_us=1000 --out plan.json"), 0);
    cli_read("plan.json", cli_out);
    const char *at = strstr(cli_out, wanted);
    assert_non_null(at);
    double predicted = strtod(at + strlen(wanted), NULL);
    assert_true(predicted > 0 && predicted <= 1000);
    at = strstr(cli_out, "\"latency_ns\": 1000000");
    assert_non_null(at);
    assert_int_equal(cli_run("serve-cost plan.json --json"), 0);
    at = strstr(cli_out, wanted);
    assert_non_null(at);
    assert_true(fabs(strtod(at + strlen(wanted), NULL) - predicted) < 1e-3);
    assert_null(strstr(cli_out, "measured_us"));
    assert_int_equal(cli_run("serve-cost plan.json --batch 8 --json"), 0);
    assert_null(strstr(cli_out, "predicted_us"));
}

static double number_after(const char *what) {
    const char *at = strstr(cli_out, what);
    assert_non_null(at);
    return strtod(at + strlen(what), NULL);
}

/* A plan holds how its model learned: trained again, it is the same model. */
static void plan_keeps_training(void **state) {
    (void)state;
    static const char *const how[] = {
        "--optimizer row-adagrad --l2 0.01", "--optimizer adagrad", "--optimizer adam --batch 32",
        "--optimizer dense-adam --batch 64 --rate 0.05",
        "--model deepfm --optimizer dense-adam --batch 64 --dropout 0.1 --normalise batch "
        "--passes 3"};
    for (size_t i = 0; i < sizeof how / sizeof how[0]; i++) {
        char arguments[256];
        snprintf(arguments, sizeof arguments,
                 "embed day --format csv --target y --method uniform --out plan.json %s", how[i]);
        assert_int_equal(cli_run(arguments), 0);
        cli_read("plan.json", cli_out);
        double planned = number_after("\"plan\": {\"log_loss\": ");
        snprintf(arguments, sizeof arguments,
                 "train day m%d --format csv --target y --plan plan.json", (int)i);
        assert_int_equal(cli_run(arguments), 0);
        assert_true(fabs(number_after("log loss ") - planned) < 1e-5);
    }
    static const char *const bad[][2] = {
        {"{\"pare_embed\": 1, \"model\": \"fm\", \"optimizer\": \"sgd\"}", "optimizer"},
        {"{\"pare_embed\": 1, \"model\": \"fm\", \"l2\": 11}", "l2"},
        {"{\"pare_embed\": 1, \"model\": \"fm\", \"batch\": -3}", "batch"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cli_write("f", bad[i][0], strlen(bad[i][0]));
        assert_int_equal(cli_run("train day n --format csv --target y --plan f"), 2);
        assert_non_null(strstr(cli_err, bad[i][1]));
    }
}

static void curve_is_drawn(void **state) {
    (void)state;
    assert_int_equal(cli_run("embed day --format csv --target y --curve --passes 1 --rate 0.1 "
                             "--report page.html --out plan.json"),
                     0);
    cli_read("plan.json", cli_out);
    int points = 0;
    for (const char *at = cli_out; (at = strstr(at, "\"share\": ")); at++) {
        points++;
    }
    assert_int_equal(points % 4, 0);
    assert_true(points >= 40);
    cli_read("page.html", cli_out);
    assert_non_null(strstr(cli_out, "Quality against budget"));
    assert_non_null(strstr(cli_out, "group-lasso"));
    assert_non_null(strstr(cli_out, "a single value in the training rows"));
    assert_null(strstr(cli_out, "nan"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_input_is_named),    cmocka_unit_test(nothing_is_overwritten),
        cmocka_unit_test(commands_around),       cmocka_unit_test(constant_fields_are_left),
        cmocka_unit_test(latency_is_a_resource), cmocka_unit_test(plan_keeps_training),
        cmocka_unit_test(curve_is_drawn)};
    return cmocka_run_group_tests(tests, start, finish);
}
